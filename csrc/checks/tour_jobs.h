// Every job over tours, in every way each has: what they make, as a number.
#pragma once
#include "../tsp/data_jobs.h"
#include "../tsp/heuristic_jobs.h"
#include "../tsp/jobs.h"
#include "tried.h"

namespace mesa {

inline std::vector<double> drawn_points(int64_t count, int32_t n, int threads) {
  auto points = zeros<double>(count * n * 2);
  DrawTours draw{};
  draw.law.n = n;
  draw.drawn = points.data();
  try_on_cpu(draw, count, threads);
  return points;
}

// A job to be solved with the arrays it fills.
struct SolvedTours {
  std::vector<int32_t> order, how;
  std::vector<double> length, bound;
  std::vector<uint8_t> optimal;
  std::vector<int64_t> nodes, one_trees, cuts;
  SolveTours job{};

  SolvedTours(const std::vector<double>& points, int64_t count, int32_t n, TourMethod method)
      : order(zeros<int32_t>(count * n)),
        how(zeros<int32_t>(count)),
        length(zeros<double>(count)),
        bound(length),
        optimal(zeros<uint8_t>(count)),
        nodes(zeros<int64_t>(count)),
        one_trees(nodes),
        cuts(nodes) {
    job.problems = {points.data(), nullptr, n, Metric::kEuclidean};
    job.found = {order.data(), length.data(),    bound.data(), optimal.data(),
                 nodes.data(), one_trees.data(), cuts.data(),  how.data()};
    job.method = method;
    job.beyond = &branch_and_cut;
  }
  SolvedTours(const SolvedTours&) = delete;
};

inline uint64_t tour_jobs(int threads, int64_t count, int32_t n) {
  const std::vector<double> points = drawn_points(count, n, threads);
  uint64_t made = hash_of(points);
  for (const TourMethod method : {TourMethod::kAuto, TourMethod::kBranchAndBound, TourMethod::kBranchAndCut}) {
    SolvedTours solved(points, count, n, method);
    solved.job.node_limit = 100;
    try_on_cpu(solved.job, count, threads);
    made = made * 31 + hash_of(solved.order) + hash_of(solved.nodes);
  }
  auto order = zeros<int32_t>(count * n);
  auto length = zeros<double>(count);
  auto number = zeros<int64_t>(count);
  for (size_t i = 0; i < number.size(); ++i) number[i] = static_cast<int64_t>(i);
  for (int32_t method = 0; method <= static_cast<int32_t>(Construction::kRandom); ++method) {
    for (const int32_t start : {kUsualStart, kEveryStart, kRandomStart, n - 1}) {
      ConstructTours construct{};
      construct.problems = {points.data(), nullptr, n, Metric::kEuclidean};
      construct.found = {order.data(), length.data()};
      construct.number = number.data();
      construct.method = static_cast<Construction>(method);
      construct.start = start;
      try_on_cpu(construct, count, threads);
      made = made * 31 + hash_of(order);
    }
  }
  for (int32_t method = 0; method <= static_cast<int32_t>(Improvement::kAnnealing); ++method) {
    ImproveTours improve{};
    improve.problems = {points.data(), nullptr, n, Metric::kEuclidean};
    improve.found = {order.data(), length.data()};
    improve.number = number.data();
    improve.method = static_cast<Improvement>(method);
    improve.neighbours = 6;
    improve.kicks = 20;
    improve.schedule = {5, Cooling::kGeometric, 0.5, 0.01};
    improve.keep_best = true;
    try_on_cpu(improve, count, threads);
    made = made * 31 + hash_of(order);
  }
  return made;
}

// Draws until each instance may be hard for greed.
inline uint64_t greedy_hard_jobs(int threads, int64_t count) {
  constexpr int32_t kCities = 8;
  auto points = zeros<double>(count * kCities * 2), nearest = zeros<double>(count), two_opt = nearest;
  auto number = zeros<uint64_t>(count);
  auto trials = zeros<int64_t>(count);
  auto found = zeros<uint8_t>(count);
  for (size_t i = 0; i < number.size(); ++i) number[i] = i;
  DrawGreedyHard draw{};
  draw.wanted.base.n = kCities;
  draw.wanted.gap = 0.02;
  draw.drawn = points.data();
  draw.number = number.data();
  draw.trials = trials.data();
  draw.nearest_neighbour = nearest.data();
  draw.two_opt = two_opt.data();
  draw.found = found.data();
  draw.most = 30;
  try_on_cpu(draw, count, threads);
  return hash_of(points) + hash_of(trials) * 31 + hash_of(found);
}

inline void require_tour_jobs_tried() {
  MESA_TOUR_JOBS(MESA_REQUIRE_TRIED)
  MESA_TOUR_DATA_JOBS(MESA_REQUIRE_TRIED)
  MESA_HEURISTIC_JOBS(MESA_REQUIRE_TRIED)
}

}  // namespace mesa
