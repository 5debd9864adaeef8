// What the examples so far say of a regression's weights: for the Gaussian prior the mean by recursive least squares,
// which is ridge regression with penalty noise variance; for a finite set of tasks each task's squared errors. The same
// estimators over whole data sets, in closed form, are mesasim/regression/estimators.py.
#pragma once
#include "draws.h"

namespace mesa {

// Posterior of w ~ N(0, I): mean and covariance after each example.
struct GaussianPosterior {
  int32_t dim;
  double* mean;        // [dim]
  double* covariance;  // [dim, dim]
  double* gain;        // [dim], to work in

  MESA_HD static int64_t doubles(int32_t dim) { return int64_t{dim} * (dim + 2); }
  MESA_HD static GaussianPosterior at(double* memory, int32_t dim) {
    return {dim, memory, memory + 2 * dim, memory + dim};
  }
  MESA_HD void clear() {
    for (int32_t i = 0; i < dim; ++i) {
      mean[i] = 0.0;
      for (int32_t j = 0; j < dim; ++j) covariance[i * dim + j] = i == j ? 1.0 : 0.0;
    }
  }
  MESA_HD double predict(const float* x) const {
    double sum = 0;
    for (int32_t i = 0; i < dim; ++i) sum += mean[i] * x[i];
    return sum;
  }
  // Kalman's update: gain = P x / (x'Px + noise variance), mean += gain (y - mean.x), P -= gain (Px)'.
  MESA_HD void learn(const float* x, float y, double noise_variance) {
    double spread = noise_variance;
    for (int32_t i = 0; i < dim; ++i) {
      gain[i] = 0;
      for (int32_t j = 0; j < dim; ++j) gain[i] += covariance[i * dim + j] * x[j];
      spread += gain[i] * x[i];
    }
    const double surprise = (y - predict(x)) / spread;
    for (int32_t i = 0; i < dim; ++i) {
      mean[i] += gain[i] * surprise;
      for (int32_t j = 0; j <= i; ++j) {
        covariance[i * dim + j] -= gain[i] * gain[j] / spread;
        covariance[j * dim + i] = covariance[i * dim + j];
      }
    }
  }
};

// Posterior over `count` tasks, all as likely at first.
struct DiscretePosterior {
  int32_t dim, count;
  const float* tasks;  // [count, dim]
  double* errors;      // [count]: sums of squared errors

  MESA_HD void learn(const float* x, float y) {
    for (int32_t i = 0; i < count; ++i) {
      const double error = y - product(tasks + int64_t{i} * dim, x, dim);
      errors[i] += error * error;
    }
  }
  MESA_HD double predict(const float* x, double noise_variance) const {
    double least = errors[0];
    for (int32_t i = 1; i < count; ++i) least = errors[i] < least ? errors[i] : least;
    double total = 0, sum = 0;
    for (int32_t i = 0; i < count; ++i) {
      const double weight = portable_exp((least - errors[i]) / (2.0 * noise_variance));
      total += weight;
      sum += weight * product(tasks + int64_t{i} * dim, x, dim);
    }
    return sum / total;
  }
};

}  // namespace mesa
