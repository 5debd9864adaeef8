// The Bayes-optimal value and actions of a k-armed Bernoulli bandit with independent Beta(alpha, beta) arms and a known
// number of pulls, undiscounted: backward induction over what has been seen. Host only; exact up to rounding.
//
// Arms are interchangeable, so a state is a multiset of one *cell* (s, f) an arm, written as non-increasing cell
// numbers, and is found by its rank among the states with as many pulls: no hashing, eight bytes a state.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "gittins.h"

namespace mesa {

class BayesOptimalBandit {
 public:
  static constexpr int64_t kMaxStates = 50'000'000;  // 400 MB, about a minute
  static constexpr int64_t kCountedPulls = 400;      // beyond, even two arms have more states than the limit

  // States with 0 to pulls - 1 pulls made; for more than kCountedPulls pulls, a lower bound.
  static double states(int64_t arms, int64_t pulls) {
    check_at_least("arms", arms, 2);
    check_at_least("pulls", pulls, 1);
    const int64_t n = std::min(pulls, kCountedPulls), k = std::min(arms, n);
    // ways[j][t]: multisets of j pulled arms with t pulls in all, made of the cells with up to u pulls.
    std::vector<std::vector<double>> ways(k + 1, std::vector<double>(n, 0.0));
    ways[0][0] = 1;
    for (int64_t u = 1; u < n; ++u)
      for (int64_t j = k; j >= 1; --j)
        for (int64_t t = n - 1; t >= u; --t) {
          double repeats = 1;  // multisets of `copies` out of the u + 1 cells with u pulls
          for (int64_t copies = 1; copies <= j && copies * u <= t; ++copies) {
            repeats *= double(u + copies) / double(copies);
            ways[j][t] += repeats * ways[j - copies][t - copies * u];
          }
        }
    double total = 0;
    for (const auto& row : ways)
      for (const double count : row) total += count;
    return total;
  }

  BayesOptimalBandit(int64_t arms, int64_t pulls, double alpha, double beta)
      : arms_(arms), pulls_(pulls), slots_(std::min(arms, pulls)), cells_(0) {
    const double needed = states(arms, pulls);
    check_beta_prior(alpha, beta);
    if (needed > double(kMaxStates))
      throw std::invalid_argument("arms, pulls: got " + std::to_string(arms) + ", " + std::to_string(pulls) +
                                  ", which need " + (pulls > kCountedPulls ? "at least " : "") +
                                  std::to_string(int64_t(std::min(needed, 9e18))) +
                                  " states, allowed: " + std::to_string(kMaxStates) + " states");
    cells_ = pulls * (pulls + 1) / 2;
    tabulate_cells(alpha, beta);
    count_states();
    values_.resize(pulls_);
    for (int64_t t = pulls_ - 1; t >= 0; --t) solve(t);
  }

  double value() const { return values_[0][0]; }
  int64_t arms() const { return arms_; }
  int64_t pulls() const { return pulls_; }

  // Expected reward of pulling each arm now and going on optimally; counts and result are [rows, arms].
  void action_values(const int64_t* successes, const int64_t* failures, int64_t rows, double* result) const {
    std::vector<int32_t> cells(arms_), sorted;
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t offset = row * arms_;
      int64_t made = 0;
      for (int64_t arm = 0; arm < arms_; ++arm) {
        const int64_t s = successes[offset + arm], f = failures[offset + arm];
        if (s < 0 || f < 0 || s >= pulls_ || f >= pulls_ || (made += s + f) >= pulls_)
          throw std::invalid_argument("successes, failures: row " + std::to_string(row) + " got an invalid count or " +
                                      std::to_string(made) + " pulls, allowed: counts from 0, together at most " +
                                      std::to_string(pulls_ - 1));
        cells[arm] = static_cast<int32_t>((s + f) * (s + f + 1) / 2 + s);
      }
      sorted = cells;
      std::sort(sorted.begin(), sorted.end(), std::greater<>());
      sorted.resize(slots_);  // with fewer pulls than arms, arms that can never be reached; one unpulled arm is left
      for (int64_t arm = 0; arm < arms_; ++arm) {
        const auto slot = std::lower_bound(sorted.begin(), sorted.end(), cells[arm], std::greater<>()) - sorted.begin();
        result[offset + arm] = action_value(sorted.data(), slot, made);
      }
    }
  }

 private:
  static void check_at_least(const char* name, int64_t value, int64_t low) {
    if (value >= low) return;
    throw std::invalid_argument(std::string(name) + ": got " + std::to_string(value) + ", allowed: at least " +
                                std::to_string(low));
  }

  void tabulate_cells(double alpha, double beta) {
    for (int64_t u = 0; u < pulls_; ++u)
      for (int64_t s = 0; s <= u; ++s) {
        used_.push_back(static_cast<int32_t>(u));
        mean_.push_back((alpha + double(s)) / (alpha + beta + double(u)));
      }
  }

  // counts_[j][t][c]: multisets of j cells, none above cell c, with t pulls in all.
  int64_t& count(int64_t j, int64_t t, int64_t cell) { return counts_[(j * pulls_ + t) * cells_ + cell]; }
  int64_t count(int64_t j, int64_t t, int64_t cell) const { return counts_[(j * pulls_ + t) * cells_ + cell]; }
  void count_states() {
    counts_.assign(static_cast<size_t>((slots_ + 1) * pulls_ * cells_), 0);
    for (int64_t cell = 0; cell < cells_; ++cell) count(0, 0, cell) = 1;
    for (int64_t j = 1; j <= slots_; ++j)
      for (int64_t t = 0; t < pulls_; ++t)
        for (int64_t cell = 0; cell < cells_; ++cell) {
          const int64_t below = cell ? count(j, t, cell - 1) : 0;
          count(j, t, cell) = below + (used_[cell] <= t ? count(j - 1, t - used_[cell], cell) : 0);
        }
  }

  // Rank of a state among those with t pulls, where slot `from` holds `cell` instead and stands at slot `to` <= from.
  int64_t rank_with(const int32_t* state, int64_t from, int64_t to, int32_t cell, int64_t t) const {
    int64_t rank = 0;
    for (int64_t slot = 0; t > 0; ++slot) {
      const int32_t here = slot == to ? cell : slot > to && slot <= from ? state[slot - 1] : state[slot];
      if (here) rank += count(slots_ - slot, t, here - 1);
      t -= used_[here];
    }
    return rank;
  }
  double value_with(const int32_t* state, int64_t slot, int32_t cell, int64_t t) const {
    int64_t to = slot;
    while (to > 0 && state[to - 1] < cell) --to;
    return values_[t][rank_with(state, slot, to, cell, t)];
  }
  double action_value(const int32_t* state, int64_t slot, int64_t t) const {
    const int32_t cell = state[slot];
    const double mean = mean_[cell];
    if (t == pulls_ - 1) return mean;
    const double failed = value_with(state, slot, cell + used_[cell] + 1, t + 1);
    const double succeeded = value_with(state, slot, cell + used_[cell] + 2, t + 1);
    return mean * (1.0 + succeeded) + (1.0 - mean) * failed;
  }

  // The values of all states with t pulls, in the order of their ranks.
  void solve(int64_t t) {
    values_[t].reserve(count(slots_, t, cells_ - 1));
    std::vector<int32_t> state(slots_, 0);
    extend(state, 0, t, cells_ - 1, t);
  }
  void extend(std::vector<int32_t>& state, int64_t slot, int64_t left, int64_t highest, int64_t t) {
    if (left == 0) {
      std::fill(state.begin() + slot, state.end(), 0);
      double best = 0;
      for (int64_t i = 0; i < slots_; ++i)
        if (i == 0 || state[i] != state[i - 1]) best = std::max(best, action_value(state.data(), i, t));
      values_[t].push_back(best);
      return;
    }
    const int64_t remaining = slots_ - slot, fewest = (left + remaining - 1) / remaining;  // later slots hold no more
    const int64_t last = std::min(highest, (left + 1) * (left + 2) / 2 - 1);
    for (int64_t cell = fewest * (fewest + 1) / 2; cell <= last; ++cell) {
      state[slot] = static_cast<int32_t>(cell);
      extend(state, slot + 1, left - used_[cell], cell, t);
    }
  }

  int64_t arms_, pulls_, slots_, cells_;
  std::vector<int32_t> used_;  // by cell: its pulls
  std::vector<double> mean_;   // by cell: its posterior mean
  std::vector<int64_t> counts_;
  std::vector<std::vector<double>> values_;  // [pulls made][rank]
};

}  // namespace mesa
