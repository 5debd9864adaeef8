// Finite-horizon Gittins ("calibration") index of a Bernoulli arm under a Beta prior, undiscounted. Host only.
//
// index(s, f, m): after s successes and f failures with m pulls left, the pay per pull of a known arm that makes it
// just as good to pull this arm at least once more (and retire to the known arm whenever that is best) as to retire at
// once. Equivalently the largest (expected reward until stopping) / (expected pulls until stopping) of any stopping
// rule that pulls at least once and at most m times (Gittins 1979; Kaufmann 2018, arXiv 1703.09436, calls it
// FH-Gittins).
#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace mesa {

inline void check_beta_prior(double alpha, double beta) {
  for (const auto& [name, value] : {std::pair<const char*, double>{"alpha", alpha}, {"beta", beta}})
    if (!(value >= 1e-3 && value <= 1e6))
      throw std::invalid_argument(std::string(name) + ": got " + std::to_string(value) + ", allowed: 0.001 to 1000000");
}

// The indices for all s + f + m <= pulls, m >= 1. An arm played to the end keeps s + f + m, its *horizon*, so one
// horizon is one optimal-stopping problem over s + f; horizon h holds its h (h + 1) / 2 indices by s + f, then by s.
class GittinsTable {
 public:
  static constexpr int64_t kMaxPulls = 500;  // 21 million indices, 168 MB

  GittinsTable(int64_t pulls, double alpha, double beta) : alpha_(alpha), beta_(beta) {
    if (pulls < 1 || pulls > kMaxPulls)
      throw std::invalid_argument("pulls: got " + std::to_string(pulls) + ", allowed: 1 to " +
                                  std::to_string(kMaxPulls));
    check_beta_prior(alpha, beta);
    indices_.resize(static_cast<size_t>(pulls * (pulls + 1) * (pulls + 2) / 6));
    reward_.resize(static_cast<size_t>(pulls) + 1);
    length_.resize(static_cast<size_t>(pulls) + 1);
    first_.resize(static_cast<size_t>(pulls) + 1);
    for (int64_t horizon = 1; horizon <= pulls; ++horizon)
      for (int64_t used = horizon - 1; used >= 0; --used)
        for (int64_t s = 0; s <= used; ++s) solve(horizon, used, s);
  }

  // Where (s, s + f = used) of a horizon is kept.
  static size_t place(int64_t horizon, int64_t used, int64_t s) {
    return static_cast<size_t>((horizon - 1) * horizon * (horizon + 1) / 6 + used * (used + 1) / 2 + s);
  }
  const std::vector<double>& indices() const { return indices_; }

 private:
  // Dinkelbach's iteration: stop where the index is no longer above the guess, take that rule's ratio as the next
  // guess. From the second guess on it rises to the index and stands still there, so the result is exact up to
  // rounding.
  void solve(int64_t horizon, int64_t used, int64_t s) {
    double& index = indices_[place(horizon, used, s)];
    if (used == horizon - 1) {
      index = (alpha_ + double(s)) / (alpha_ + beta_ + double(used));  // one pull left: the posterior mean
      return;
    }
    double guess = indices_[place(horizon - 1, used, s)];  // with a pull fewer: slightly below
    index = ratio(horizon, used, s, guess);
    while (index > guess + 1e-14) {
      guess = index;
      index = ratio(horizon, used, s, guess);
    }
  }

  // (expected reward) / (expected pulls) from here until every reachable index is at most `level` or the pulls are
  // over. After r more pulls, i of them successes, the rule goes on where i >= first_[r]: the index rises with i.
  double ratio(int64_t horizon, int64_t used, int64_t s, double level) {
    const int64_t left = horizon - used;
    int64_t rounds = 1;
    first_[0] = 0;
    for (; rounds < left; ++rounds) {
      const double* row = &indices_[place(horizon, used + rounds, s)];
      int64_t i = first_[rounds - 1];
      while (i <= rounds && row[i] <= level) ++i;
      first_[rounds] = i;
      if (i > rounds) break;
    }
    if (rounds == left) first_[rounds] = rounds + 1;
    for (int64_t i = first_[rounds - 1]; i <= rounds; ++i) reward_[i] = length_[i] = 0;
    for (int64_t r = rounds - 1; r >= 0; --r) {
      for (int64_t i = first_[r]; i < first_[r + 1] && i <= r + 1; ++i) reward_[i] = length_[i] = 0;
      const double scale = 1.0 / (alpha_ + beta_ + double(used + r)), base = alpha_ + double(s);
      double *reward = reward_.data(), *length = length_.data();
      for (int64_t i = first_[r]; i <= r; ++i) {
        const double mean = (base + double(i)) * scale;
        reward[i] += mean * (1.0 + reward[i + 1] - reward[i]);
        length[i] += 1.0 + mean * (length[i + 1] - length[i]);
      }
    }
    return reward_[0] / length_[0];
  }

  double alpha_, beta_;
  std::vector<double> indices_;
  std::vector<double> reward_, length_;  // of the stopping rule in hand, by successes
  std::vector<int64_t> first_;           // by round
};

}  // namespace mesa
