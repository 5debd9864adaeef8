// The dual simplex method (Lemke 1954) with steepest edge prices (Forrest and Goldfarb 1992, exact here, for the rows
// of the inverse are at hand) and the bound flipping ratio test (Fourer 1994; Maros 2003).
#include "linear_program.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../backends/instruction_sets.h"

namespace mesa {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kPrimalTolerance = 1e-9, kDualTolerance = 1e-9, kPivotTolerance = 1e-7;
constexpr double kPerturbation = 1e-8;   // of a cost
constexpr int32_t kRefactorAfter = 400;  // pivots
constexpr int32_t kStalled = 40;         // pivots that do not move the objective

// to -= factor * from; the squared length of the result. Eight sums, so that every instruction set adds in one order.
#define MESA_SUBTRACT(suffix, target)                                                           \
  target double subtract##suffix(double* to, const double* from, double factor, size_t count) { \
    double sum[8] = {};                                                                         \
    for (size_t i = 0; i < count; i += 8) {                                                     \
      for (size_t k = 0; k < 8; ++k) {                                                          \
        const double x = to[i + k] - factor * from[i + k];                                      \
        to[i + k] = x;                                                                          \
        sum[k] += x * x;                                                                        \
      }                                                                                         \
    }                                                                                           \
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));   \
  }
MESA_SUBTRACT(_baseline, MESA_BASELINE)
#if MESA_X86
MESA_SUBTRACT(_avx2, MESA_AVX2)
MESA_SUBTRACT(_avx512, MESA_AVX512)
#endif
using Subtract = double (*)(double*, const double*, double, size_t);
Subtract subtract_for(InstructionSet set) {
#if MESA_X86
  if (set == kAvx512) return subtract_avx512;
  if (set == kAvx2) return subtract_avx2;
#endif
  (void)set;
  return subtract_baseline;
}

size_t u(int32_t i) {
  return static_cast<size_t>(i);
}

}  // namespace

LinearProgram::LinearProgram(const std::vector<double>& cost)
    : columns_(static_cast<int32_t>(cost.size())),
      cost_(cost),
      low_(cost.size(), 0.0),
      high_(cost.size(), 1.0),
      priced_(cost),
      by_column_(cost.size()),
      position_(cost.size(), -1),
      at_upper_(cost.size()),
      reduced_(cost) {
  for (int32_t j = 0; j < columns_; ++j) place_nonbasic(j);
}

double LinearProgram::lower_of(int32_t v) const {
  return v < columns_ ? low_[u(v)] : 0.0;
}
double LinearProgram::upper_of(int32_t v) const {
  if (v < columns_) return high_[u(v)];
  return rows_[u(v - columns_)].equality ? 0.0 : kInfinity;
}
double LinearProgram::value(int32_t v) const {
  if (position_[u(v)] >= 0) return basic_value_[u(position_[u(v)])];
  return at_upper_[u(v)] ? upper_of(v) : lower_of(v);
}
// A nonbasic variable stands where its reduced cost wants it.
void LinearProgram::place_nonbasic(int32_t v) {
  at_upper_[u(v)] = reduced_[u(v)] < 0.0 && upper_of(v) < kInfinity;
}

void LinearProgram::reserve(int32_t rows) {
  if (u(rows) <= stride_) return;
  const size_t stride = (u(rows) + u(rows) / 2 + 64) / 8 * 8;
  std::vector<double> grown(stride * stride, 0.0);
  for (size_t i = 0; i < basic_.size(); ++i)
    std::copy_n(inverse_.begin() + static_cast<int64_t>(i * stride_), stride_,
                grown.begin() + static_cast<int64_t>(i * stride));
  inverse_.swap(grown);
  stride_ = stride;
}

void LinearProgram::add_row(const LinearRow& row) {
  const int32_t index = num_rows();
  reserve(index + 1);
  double* fresh = &inverse_[at(index, 0)];
  std::fill_n(fresh, stride_, 0.0);
  double left = row.rhs;
  for (size_t k = 0; k < row.column.size(); ++k) {
    const int32_t j = row.column[k];
    by_column_[u(j)].push_back({index, row.coefficient[k]});
    left -= row.coefficient[k] * value(j);
    if (position_[u(j)] < 0) continue;
    const double* from = &inverse_[at(position_[u(j)], 0)];
    for (size_t i = 0; i < u(index); ++i) fresh[i] -= row.coefficient[k] * from[i];
  }
  fresh[index] = 1.0;
  double norm = 0.0;
  for (size_t i = 0; i <= u(index); ++i) norm += fresh[i] * fresh[i];
  rows_.push_back(row);
  position_.push_back(index);
  at_upper_.push_back(0);
  reduced_.push_back(0.0);
  basic_.push_back(columns_ + index);
  basic_value_.push_back(left);
  norm_.push_back(norm);
}

void LinearProgram::remove_rows(const std::vector<bool>& remove) {
  std::vector<int32_t> renumbered(rows_.size(), -1);
  int32_t kept = 0;
  for (size_t i = 0; i < rows_.size(); ++i) renumbered[i] = remove[i] ? -1 : kept++;
  if (kept == num_rows()) return;
  const auto leaves = [&](int32_t v) { return v >= columns_ && remove[u(v - columns_)]; };
  int32_t to = 0;
  for (int32_t p = 0; p < num_rows(); ++p) {
    if (leaves(basic_[u(p)])) continue;
    double* out = &inverse_[at(to, 0)];
    const double* in = &inverse_[at(p, 0)];
    for (int32_t i = 0; i < num_rows(); ++i) {
      if (renumbered[u(i)] >= 0) out[renumbered[u(i)]] = in[i];
    }
    for (int32_t i = kept; i < num_rows(); ++i) out[i] = 0.0;
    const int32_t v = basic_[u(p)];
    basic_[u(to)] = v < columns_ ? v : columns_ + renumbered[u(v - columns_)];
    basic_value_[u(to)] = basic_value_[u(p)];
    norm_[u(to)] = norm_[u(p)];
    ++to;
  }
  for (int32_t i = 0; i < num_rows(); ++i) {
    if (renumbered[u(i)] < 0) continue;
    const size_t from = u(columns_ + i), into = u(columns_ + renumbered[u(i)]);
    at_upper_[into] = at_upper_[from];
    reduced_[into] = reduced_[from];
    if (renumbered[u(i)] != i) rows_[u(renumbered[u(i)])] = std::move(rows_[u(i)]);
  }
  rows_.resize(u(kept));
  basic_.resize(u(kept));
  basic_value_.resize(u(kept));
  norm_.resize(u(kept));
  position_.resize(u(columns_ + kept));
  at_upper_.resize(u(columns_ + kept));
  reduced_.resize(u(columns_ + kept));
  std::fill(position_.begin(), position_.end(), -1);
  for (int32_t p = 0; p < kept; ++p) position_[u(basic_[u(p)])] = p;
  for (auto& column : by_column_) {
    size_t size = 0;
    for (const auto& [i, coefficient] : column) {
      if (renumbered[u(i)] >= 0) column[size++] = {renumbered[u(i)], coefficient};
    }
    column.resize(size);
  }
}

void LinearProgram::set_bounds(int32_t j, double low, double high) {
  const double before = value(j);
  low_[u(j)] = low;
  high_[u(j)] = high;
  if (position_[u(j)] >= 0) return;
  place_nonbasic(j);
  const double change = value(j) - before;
  if (change == 0.0) return;
  column_times_inverse(j, column_);
  for (size_t p = 0; p < basic_.size(); ++p) basic_value_[p] -= change * column_[p];
}

void LinearProgram::column_times_inverse(int32_t v, std::vector<double>& out) const {
  out.assign(basic_.size(), 0.0);
  if (v >= columns_) {
    for (size_t p = 0; p < basic_.size(); ++p) out[p] = inverse_[p * stride_ + u(v - columns_)];
    return;
  }
  const auto& column = by_column_[u(v)];
  for (size_t p = 0; p < basic_.size(); ++p) {
    const double* row = &inverse_[p * stride_];
    double sum = 0.0;
    for (const auto& [i, coefficient] : column) sum += coefficient * row[i];
    out[p] = sum;
  }
}

// Basic values and reduced costs again from the inverse.
void LinearProgram::refresh() {
  const size_t m = basic_.size();
  std::vector<double> left(m);
  for (size_t i = 0; i < m; ++i) left[i] = rows_[i].rhs;
  for (int32_t j = 0; j < columns_; ++j) {
    if (position_[u(j)] >= 0 || value(j) == 0.0) continue;
    for (const auto& [i, coefficient] : by_column_[u(j)]) left[u(i)] -= coefficient * value(j);
  }
  for (size_t p = 0; p < m; ++p) {
    double sum = 0.0;
    for (size_t i = 0; i < m; ++i) sum += inverse_[p * stride_ + i] * left[i];
    basic_value_[p] = sum;
  }
  std::vector<double> costs(m);
  for (size_t p = 0; p < m; ++p) costs[p] = basic_[p] < columns_ ? priced_[u(basic_[p])] : 0.0;
  const std::vector<double> y = prices_for(costs);
  for (int32_t j = 0; j < columns_; ++j) {
    double d = priced_[u(j)];
    for (const auto& [i, coefficient] : by_column_[u(j)]) d -= coefficient * y[u(i)];
    reduced_[u(j)] = position_[u(j)] >= 0 ? 0.0 : d;
  }
  for (size_t i = 0; i < m; ++i) reduced_[u(columns_) + i] = position_[u(columns_) + i] >= 0 ? 0.0 : -y[i];
}

// Moves the costs of nonbasic variables apart, each away from 0 reduced cost, so that ties no longer make pivots stand
// still (Wolfe 1963). Deterministic.
void LinearProgram::perturb() {
  perturbed_ = true;
  for (int32_t j = 0; j < columns_; ++j) {
    if (position_[u(j)] >= 0) continue;
    uint64_t h = (u(j) + 1) * 0x9E3779B97F4A7C15ull;
    h = (h ^ (h >> 31)) * 0xBF58476D1CE4E5B9ull;
    const double noise =
        kPerturbation * (1.0 + static_cast<double>(h >> 40) / 16777216.0) * (1.0 + std::fabs(cost_[u(j)]));
    const double change = at_upper_[u(j)] ? -noise : noise;
    priced_[u(j)] += change;
    reduced_[u(j)] += change;
  }
}
// The costs as they are again. False: they were.
bool LinearProgram::restore_costs() {
  if (!perturbed_) return false;
  perturbed_ = false;
  priced_ = cost_;
  refresh();
  return true;
}

// The inverse again from the basis, by Gauss-Jordan elimination with partial pivoting. False: the basis is singular.
bool LinearProgram::refactor() {
  const int32_t m = num_rows();
  std::vector<double> matrix(u(m) * u(m), 0.0);  // [row, position]
  for (int32_t p = 0; p < m; ++p) {
    const int32_t v = basic_[u(p)];
    if (v >= columns_) {
      matrix[u(v - columns_) * u(m) + u(p)] = 1.0;
    } else {
      for (const auto& [i, coefficient] : by_column_[u(v)]) matrix[u(i) * u(m) + u(p)] = coefficient;
    }
  }
  std::fill(inverse_.begin(), inverse_.begin() + static_cast<int64_t>(u(m) * stride_), 0.0);
  for (int32_t i = 0; i < m; ++i) inverse_[at(i, i)] = 1.0;
  for (int32_t p = 0; p < m; ++p) {
    int32_t best = p;
    for (int32_t i = p + 1; i < m; ++i) {
      if (std::fabs(matrix[u(i) * u(m) + u(p)]) > std::fabs(matrix[u(best) * u(m) + u(p)])) best = i;
    }
    const double pivot = matrix[u(best) * u(m) + u(p)];
    if (std::fabs(pivot) < 1e-11) return false;
    if (best != p) {
      std::swap_ranges(&matrix[u(best) * u(m)], &matrix[u(best) * u(m)] + m, &matrix[u(p) * u(m)]);
      std::swap_ranges(&inverse_[at(best, 0)], &inverse_[at(best, 0)] + m, &inverse_[at(p, 0)]);
    }
    for (int32_t k = 0; k < m; ++k) {
      matrix[u(p) * u(m) + u(k)] /= pivot;
      inverse_[at(p, k)] /= pivot;
    }
    for (int32_t i = 0; i < m; ++i) {
      const double factor = matrix[u(i) * u(m) + u(p)];
      if (i == p || factor == 0.0) continue;
      for (int32_t k = p; k < m; ++k) matrix[u(i) * u(m) + u(k)] -= factor * matrix[u(p) * u(m) + u(k)];
      for (int32_t k = 0; k < m; ++k) inverse_[at(i, k)] -= factor * inverse_[at(p, k)];
    }
  }
  for (int32_t p = 0; p < m; ++p) {
    double norm = 0.0;
    for (int32_t i = 0; i < m; ++i) norm += inverse_[at(p, i)] * inverse_[at(p, i)];
    norm_[u(p)] = norm;
  }
  since_refactor_ = 0;
  refresh();
  return true;
}

int32_t LinearProgram::leaving() const {
  int32_t best = -1;
  double best_score = 0.0;
  for (size_t p = 0; p < basic_.size(); ++p) {
    const double x = basic_value_[p];
    const int32_t v = basic_[p];
    const double off = std::max(lower_of(v) - x, x - upper_of(v));
    if (off <= kPrimalTolerance) continue;
    const double score = off * off / norm_[p];
    if (score > best_score) {
      best_score = score;
      best = static_cast<int32_t>(p);
    }
  }
  return best;
}

LinearProgram::Status LinearProgram::solve(int64_t most_iterations) {
  const Subtract subtract = subtract_for(set_for_solvers());
  const size_t variables = u(columns_) + rows_.size(), m = rows_.size(), padded = (m + 7) / 8 * 8;
  pivot_row_.assign(variables, 0.0);
  bool refreshed = false, cleaned = false;
  int32_t stalled = 0;
  for (int64_t k = 0; k < most_iterations; ++k) {
    if (since_refactor_ >= kRefactorAfter && !refactor()) return Status::kFailed;
    const int32_t r = leaving();
    if (r < 0) {
      if (refreshed) {
        if (cleaned || !restore_costs()) return Status::kOptimal;
        cleaned =
            true;  // from here on a perturbed optimum is good enough: x is feasible, and bounds are made from cost_
      } else {
        refresh();  // once more, from the inverse itself
      }
      refreshed = true;
      bool dual_feasible = true;
      for (size_t v = 0; v < variables; ++v) {
        if (position_[v] >= 0) continue;
        const bool up = at_upper_[v] != 0;
        const double d = reduced_[v];
        if (upper_of(static_cast<int32_t>(v)) <= lower_of(static_cast<int32_t>(v))) continue;
        if (up ? d > kDualTolerance * 100 : d < -kDualTolerance * 100) {
          if (upper_of(static_cast<int32_t>(v)) == kInfinity) continue;
          at_upper_[v] = up ? 0 : 1;
          dual_feasible = false;
        }
      }
      if (!dual_feasible) {
        refresh();
        refreshed = false;
      }
      continue;
    }
    refreshed = false;
    const int32_t gone = basic_[u(r)];
    const bool below = basic_value_[u(r)] < lower_of(gone);
    const double target = below ? lower_of(gone) : upper_of(gone);
    double slope = std::fabs(basic_value_[u(r)] - target);

    // The row of the tableau, and who may enter.
    const double* rho = &inverse_[at(r, 0)];
    std::fill(pivot_row_.begin(), pivot_row_.end(), 0.0);
    for (size_t i = 0; i < m; ++i) {
      if (std::fabs(rho[i]) < 1e-13) continue;
      const LinearRow& row = rows_[i];
      for (size_t c = 0; c < row.column.size(); ++c) pivot_row_[u(row.column[c])] += rho[i] * row.coefficient[c];
      pivot_row_[u(columns_) + i] = rho[i];
    }
    candidates_.clear();
    for (size_t v = 0; v < variables; ++v) {
      const double alpha = pivot_row_[v];
      if (position_[v] >= 0 || std::fabs(alpha) < kPivotTolerance) continue;
      if (v < u(columns_) ? low_[v] == high_[v] : rows_[v - u(columns_)].equality) continue;
      const bool up = at_upper_[v] != 0;
      if ((below ? -alpha : alpha) * (up ? -1.0 : 1.0) > 0.0) candidates_.push_back(static_cast<int32_t>(v));
    }
    if (candidates_.empty()) {
      if (since_refactor_ == 0) {
        ray_.resize(m);
        for (size_t i = 0; i < m; ++i) ray_[i] = below ? -rho[i] : rho[i];
        return Status::kInfeasible;
      }
      if (!refactor()) return Status::kFailed;
      continue;
    }
    const auto ratio = [&](int32_t v) { return std::fabs(reduced_[u(v)] / pivot_row_[u(v)]); };
    flip_.clear();
    int32_t entering = -1;
    std::vector<int32_t>& left = candidates_;
    std::vector<int32_t> flips;
    while (!left.empty()) {
      // The smallest ratio; among those within a hair of it, the largest pivot.
      double least = kInfinity;
      for (const int32_t v : left)
        least = std::min(least, (std::fabs(reduced_[u(v)]) + kDualTolerance) / std::fabs(pivot_row_[u(v)]));
      int32_t chosen = -1;
      for (const int32_t v : left) {
        if (ratio(v) <= least && (chosen < 0 || std::fabs(pivot_row_[u(v)]) > std::fabs(pivot_row_[u(chosen)])))
          chosen = v;
      }
      const double range = upper_of(chosen) - lower_of(chosen);
      const double after = slope - std::fabs(pivot_row_[u(chosen)]) * range;
      entering = chosen;
      if (after <= kPrimalTolerance || left.size() == 1) break;
      slope = after;
      flips.push_back(chosen);
      left.erase(std::find(left.begin(), left.end(), chosen));
    }
    if (!flips.empty()) {
      flip_.assign(m, 0.0);
      for (const int32_t v : flips) {
        const double change = at_upper_[u(v)] ? lower_of(v) - upper_of(v) : upper_of(v) - lower_of(v);
        at_upper_[u(v)] ^= 1;
        for (const auto& [i, coefficient] : by_column_[u(v)]) flip_[u(i)] += coefficient * change;
      }
      for (size_t p = 0; p < m; ++p) {
        const double* row = &inverse_[p * stride_];
        double sum = 0.0;
        for (size_t i = 0; i < m; ++i) sum += flip_[i] != 0.0 ? row[i] * flip_[i] : 0.0;
        basic_value_[p] -= sum;
      }
    }
    column_times_inverse(entering, column_);
    const double pivot = column_[u(r)];
    if (std::fabs(pivot) < kPivotTolerance ||
        std::fabs(pivot - pivot_row_[u(entering)]) > 1e-6 * (1.0 + std::fabs(pivot))) {
      if (since_refactor_ == 0) return Status::kFailed;
      if (!refactor()) return Status::kFailed;
      continue;
    }
    const double dual_step = reduced_[u(entering)] / pivot_row_[u(entering)];
    stalled = std::fabs(dual_step) < kDualTolerance ? stalled + 1 : 0;
    if (stalled > kStalled && !perturbed_) {
      stalled = 0;
      perturb();
      continue;
    }
    for (size_t v = 0; v < variables; ++v) {
      if (position_[v] < 0 && pivot_row_[v] != 0.0) reduced_[v] -= dual_step * pivot_row_[v];
    }
    reduced_[u(entering)] = 0.0;
    reduced_[u(gone)] = -dual_step;
    const double step = (basic_value_[u(r)] - target) / pivot;
    const double entered = value(entering) + step;
    for (size_t p = 0; p < m; ++p) basic_value_[p] -= step * column_[p];

    double* pivot_inverse = &inverse_[at(r, 0)];
    double norm = 0.0;
    for (size_t i = 0; i < padded; ++i) {
      pivot_inverse[i] /= pivot;
      norm += pivot_inverse[i] * pivot_inverse[i];
    }
    norm_[u(r)] = norm;
    for (size_t p = 0; p < m; ++p) {
      if (static_cast<int32_t>(p) == r || std::fabs(column_[p]) < 1e-13) continue;
      norm_[p] = subtract(&inverse_[p * stride_], pivot_inverse, column_[p], padded);
    }
    position_[u(gone)] = -1;
    at_upper_[u(gone)] = below ? 0 : 1;
    position_[u(entering)] = r;
    basic_[u(r)] = entering;
    basic_value_[u(r)] = entered;
    ++since_refactor_;
  }
  return Status::kIterationLimit;
}

double LinearProgram::objective() const {
  double sum = 0.0;
  for (int32_t j = 0; j < columns_; ++j) sum += cost_[u(j)] * value(j);
  return sum;
}
std::vector<double> LinearProgram::primal() const {
  std::vector<double> x(u(columns_));
  for (int32_t j = 0; j < columns_; ++j) x[u(j)] = value(j);
  return x;
}
std::vector<double> LinearProgram::prices_for(const std::vector<double>& costs) const {
  const size_t m = basic_.size();
  std::vector<double> y(m, 0.0);
  for (size_t p = 0; p < m; ++p) {
    if (costs[p] == 0.0) continue;
    const double* row = &inverse_[p * stride_];
    for (size_t i = 0; i < m; ++i) y[i] += costs[p] * row[i];
  }
  return y;
}
std::vector<double> LinearProgram::dual() const {
  std::vector<double> costs(basic_.size());
  for (size_t p = 0; p < costs.size(); ++p) costs[p] = basic_[p] < columns_ ? cost_[u(basic_[p])] : 0.0;
  return prices_for(costs);
}
double LinearProgram::slack(int32_t i) const {
  return value(columns_ + i);
}

}  // namespace mesa
