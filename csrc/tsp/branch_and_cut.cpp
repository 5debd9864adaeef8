// The search of branch_and_cut.h.
#include "branch_and_cut.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "cuts.h"

namespace mesa {
namespace {

size_t u(int32_t i) {
  return static_cast<size_t>(i);
}

constexpr int32_t kCutsARound = 40, kRounds = 60, kCandidates = 8, kToursFromX = 4;
constexpr int32_t kMoreBits = 16;
constexpr double kMostPrice = 36028797018963968.0;  // 2^55, far above any true one: sums of them stay in 128 bits

// A price, or 0 for what a program in trouble may say; any price is a valid one.
double believable(double price) {
  return std::fabs(price) < kMostPrice ? price : 0.0;
}

// The nearest number of 62 bits: bounds and reduced costs beyond it say the same.
int64_t narrowed(__int128 x) {
  const __int128 most = __int128{1} << 62;
  return static_cast<int64_t>(x > most ? most : x < -most ? -most : x);
}
constexpr int64_t kProbePivots = 25, kPivots = 20000, kCloseNodes = 100;

class Search {
 public:
  Search(const Distances& d, BranchAndBound& one_trees, int64_t node_limit, const uint8_t* stop, SearchCounts& counts)
      : d_(d),
        one_trees_(one_trees),
        node_limit_(node_limit),
        stop_(stop),
        counts_(counts),
        n_(d.n),
        shift_(d.coarse_shift < 0 ? -d.coarse_shift : 0) {
    std::vector<int32_t> forced;
    one_trees.for_each_left([&](int32_t a, int32_t b, bool in) {
      if (in) forced.push_back(static_cast<int32_t>(connections_.size()));
      connections_.push_back({a, b});
      exact_.push_back(d.coarse_shift < 0 ? d.fine_of(a, b) : int64_t{d.coarse_of(a, b)});
    });
    std::vector<double> cost;
    for (size_t e = 0; e < exact_.size(); ++e) {
      const auto [a, b] = connections_[e];
      const int32_t* pi = one_trees.multipliers();
      cost.push_back(std::ldexp(static_cast<double>(exact_[e]), -shift_) + pi[a] + pi[b]);
    }
    state_.assign(exact_.size(), kFree);
    program_ = LinearProgram(cost);
    separator_ = Separator(n_, connections_);
    for (int32_t v = 0; v < n_; ++v) program_.add_row(separator_.degree(v));
    for (const int32_t e : forced) fix(e, kIn);
    fixed_.clear();
  }

  // True: the best tour is optimal.
  bool solve() { return visit(0); }
  // Of the first program, in the units of exact_.
  int64_t root_bound() const { return root_bound_; }

 private:
  enum State : uint8_t { kFree, kOut, kIn };

  int64_t threshold() const {
    const int64_t best = one_trees_.best_length();
    return d_.coarse_shift < 0 ? d_.fine_threshold(best) : d_.threshold(best);
  }
  void fix(int32_t e, State to) {
    fixed_.push_back(e);
    state_[u(e)] = to;
    program_.set_bounds(e, to == kIn ? 1.0 : 0.0, to == kIn ? 1.0 : 0.0);
  }
  void undo(size_t mark) {
    while (fixed_.size() > mark) {
      const int32_t e = fixed_.back();
      fixed_.pop_back();
      state_[u(e)] = kFree;
      program_.set_bounds(e, 0.0, 1.0);
    }
  }

  // The bound the prices prove, in whole numbers, whatever their errors; reduced costs beside it.
  int64_t exact_bound() {
    const std::vector<double> y = program_.dual();
    const int32_t* pi = one_trees_.multipliers();
    std::vector<__int128> reduced(exact_.begin(), exact_.end());
    __int128 sum = 0;
    for (int32_t i = 0; i < program_.num_rows(); ++i) {
      const LinearRow& row = program_.row(i);
      int64_t price = std::llround(believable(std::ldexp(y[u(i)], shift_)));
      if (i < n_) price -= static_cast<int64_t>(pi[i]) * (int64_t{1} << shift_);  // the degree rows come first
      if (!row.equality && price > 0) price = 0;
      if (price == 0) continue;
      sum += static_cast<__int128>(price) * row.rhs;
      for (size_t k = 0; k < row.column.size(); ++k) {
        reduced[u(row.column[k])] -= static_cast<__int128>(price) * row.coefficient[k];
      }
    }
    reduced_.resize(exact_.size());
    for (size_t e = 0; e < exact_.size(); ++e) {
      if (state_[e] == kIn || (state_[e] == kFree && reduced[e] < 0)) sum += reduced[e];
      reduced_[e] = narrowed(reduced[e]);
    }
    return narrowed(sum);
  }
  // Whether the prices, once refined to a 2^-kMoreBits of a unit, prove that no tour is shorter than the best. Where
  // the program's optimum is the best tour itself, the plain bound is below it by rounding errors and these are not.
  bool closes_refined() const {
    using Wide = __int128;
    const std::vector<int32_t>& basis = program_.basis();
    const int32_t columns = program_.num_columns();
    const std::vector<double> y = program_.dual();
    const int32_t* pi = one_trees_.multipliers();
    std::vector<Wide> price(y.size());
    for (size_t i = 0; i < y.size(); ++i) {
      price[i] = static_cast<Wide>(std::ldexp(believable(std::ldexp(y[i], shift_)), kMoreBits));
      if (i < u(n_)) price[i] -= static_cast<Wide>(pi[i]) * (Wide{1} << (shift_ + kMoreBits));
    }
    std::vector<Wide> reduced(exact_.size());
    const auto reduce = [&] {
      for (size_t e = 0; e < exact_.size(); ++e) reduced[e] = static_cast<Wide>(exact_[e]) * (Wide{1} << kMoreBits);
      for (size_t i = 0; i < price.size(); ++i) {
        const LinearRow& row = program_.row(static_cast<int32_t>(i));
        for (size_t k = 0; k < row.column.size(); ++k) reduced[u(row.column[k])] -= price[i] * row.coefficient[k];
      }
    };
    reduce();
    for (int32_t pass = 0; pass < 2; ++pass) {
      std::vector<double> left(basis.size());  // what the basic variables' reduced costs still are, and should not be
      for (size_t p = 0; p < basis.size(); ++p) {
        left[p] = static_cast<double>(basis[p] < columns ? reduced[u(basis[p])] : -price[u(basis[p] - columns)]);
      }
      const std::vector<double> more = program_.prices_for(left);
      for (size_t i = 0; i < price.size(); ++i)
        price[i] += static_cast<Wide>(std::fabs(more[i]) < 1e30 ? std::nearbyint(more[i]) : 0.0);
      reduce();
    }
    Wide bound = 0;
    for (size_t i = 0; i < price.size(); ++i) {
      const LinearRow& row = program_.row(static_cast<int32_t>(i));
      if (!row.equality && price[i] > 0) {
        for (size_t k = 0; k < row.column.size(); ++k) reduced[u(row.column[k])] += price[i] * row.coefficient[k];
        continue;
      }
      bound += price[i] * row.rhs;
    }
    for (size_t e = 0; e < exact_.size(); ++e) {
      if (state_[e] == kIn || (state_[e] == kFree && reduced[e] < 0)) bound += reduced[e];
    }
    return bound > static_cast<Wide>(threshold()) * (Wide{1} << kMoreBits);
  }
  // Whether the rows, weighted by the rounded ray, add up to more than the variables' bounds allow.
  bool is_infeasible() const {
    const std::vector<double>& ray = program_.ray();
    double largest = 0.0;
    for (const double z : ray) largest = std::max(largest, std::fabs(z));
    if (!(largest > 0.0 && largest < 1e300)) return false;
    std::vector<int64_t> weight(exact_.size(), 0);
    __int128 asked = 0, allowed = 0;
    for (int32_t i = 0; i < program_.num_rows(); ++i) {
      const LinearRow& row = program_.row(i);
      const double share = ray[u(i)] / largest;
      int64_t z = std::fabs(share) <= 1.0 ? std::llround(std::ldexp(share, 30)) : 0;
      if (!row.equality && z > 0) z = 0;
      asked += static_cast<__int128>(z) * row.rhs;
      for (size_t k = 0; k < row.column.size(); ++k) weight[u(row.column[k])] += z * row.coefficient[k];
    }
    for (size_t e = 0; e < exact_.size(); ++e) {
      if (state_[e] == kIn || (state_[e] == kFree && weight[e] > 0)) allowed += weight[e];
    }
    return asked > allowed;
  }
  // Fixes what no shorter tour has otherwise.
  int32_t fix_by_reduced_cost(int64_t bound) {
    int32_t fixed = 0;
    for (size_t e = 0; e < exact_.size(); ++e) {
      if (state_[e] != kFree) continue;
      if (reduced_[e] > 0 && bound + reduced_[e] > threshold()) {
        fix(static_cast<int32_t>(e), kOut);
        ++fixed;
      } else if (reduced_[e] < 0 && bound - reduced_[e] > threshold()) {
        fix(static_cast<int32_t>(e), kIn);
        ++fixed;
      }
    }
    return fixed;
  }

  // Tightens by cuts. True: closed.
  bool tighten(int32_t depth, int64_t& bound) {
    bound = -(int64_t{1} << 62);
    int32_t stale = 0;
    for (int32_t round = 0; round < kRounds; ++round) {
      const LinearProgram::Status status = program_.solve(kPivots);
      if (status == LinearProgram::Status::kInfeasible) return is_infeasible();
      const int64_t before = bound;
      const int64_t now = exact_bound();
      if (now > bound) bound = now;
      if (now > threshold()) return true;
      fix_by_reduced_cost(now);
      if (status != LinearProgram::Status::kOptimal) return false;
      const std::vector<double> x = program_.primal();
      const bool is_tour = take_if_tour(x);
      if (threshold() - now < (int64_t{n_} << shift_) && closes_refined()) return true;
      if (is_tour) return false;
      if (is_raised(stop_)) return false;
      const double gap = static_cast<double>(threshold() - now);
      if (round > 0) stale = static_cast<double>(now - before) < (depth == 0 ? 0.01 : 0.03) * gap ? stale + 1 : 0;
      if (stale >= (depth == 0 ? 5 : 2)) return false;
      std::vector<LinearRow> cuts = separator_.separate(x, program_, kCutsARound);
      if (cuts.empty()) return false;
      drop_slack();
      for (const LinearRow& cut : cuts) program_.add_row(cut);
      counts_.cuts += static_cast<int64_t>(cuts.size());
    }
    return false;
  }
  void drop_slack() {
    std::vector<bool> remove(u(program_.num_rows()), false);
    for (int32_t i = n_; i < program_.num_rows(); ++i) {
      remove[u(i)] = program_.slack_is_basic(i) && program_.slack(i) > 1e-3;
    }
    program_.remove_rows(remove);
  }
  // Whether x is a tour, which is then offered.
  bool take_if_tour(const std::vector<double>& x) {
    std::vector<std::vector<int32_t>> next(u(n_));
    for (size_t e = 0; e < x.size(); ++e) {
      if (x[e] > 1e-6 && x[e] < 1.0 - 1e-6) return false;
      if (x[e] < 0.5) continue;
      next[u(connections_[e].a)].push_back(connections_[e].b);
      next[u(connections_[e].b)].push_back(connections_[e].a);
    }
    uint8_t order[kMaxCities];
    int32_t at = 0, from = -1;
    for (int32_t i = 0; i < n_; ++i) {
      if (next[u(at)].size() != 2 || (i > 0 && at == 0)) return false;
      order[i] = static_cast<uint8_t>(at);
      const int32_t to = next[u(at)][0] == from ? next[u(at)][1] : next[u(at)][0];
      from = at;
      at = to;
    }
    if (at != 0) return false;
    one_trees_.offer(order);
    return true;
  }
  // A tour from x: the connections it uses most, as far as they go together, joined up and improved.
  void try_tour_from(const std::vector<double>& x) {
    std::vector<int32_t> by_use(x.size());
    std::iota(by_use.begin(), by_use.end(), 0);
    std::stable_sort(by_use.begin(), by_use.end(), [&](int32_t a, int32_t b) { return x[u(a)] > x[u(b)]; });
    std::vector<std::vector<int32_t>> next(u(n_));
    std::vector<int32_t> end(u(n_));  // of the path a city ends
    std::iota(end.begin(), end.end(), 0);
    const auto join = [&](int32_t a, int32_t b) {
      next[u(a)].push_back(b);
      next[u(b)].push_back(a);
      const int32_t far_a = end[u(a)], far_b = end[u(b)];
      end[u(far_a)] = far_b;
      end[u(far_b)] = far_a;
    };
    for (const int32_t e : by_use) {
      const auto [a, b] = connections_[u(e)];
      if (x[u(e)] < 0.1) break;
      if (next[u(a)].size() < 2 && next[u(b)].size() < 2 && end[u(a)] != b) join(a, b);
    }
    for (;;) {
      int32_t best_a = -1, best_b = -1;
      for (int32_t a = 0; a < n_; ++a) {
        if (next[u(a)].size() == 2) continue;
        for (int32_t b = a + 1; b < n_; ++b) {
          if (next[u(b)].size() == 2 || end[u(a)] == b) continue;
          if (best_a < 0 || d_.fine_of(a, b) < d_.fine_of(best_a, best_b)) best_a = a, best_b = b;
        }
      }
      if (best_a < 0) break;
      join(best_a, best_b);
    }
    int32_t at = 0, from = -1;
    while (next[u(at)].size() == 2) ++at;
    std::vector<uint8_t> order;
    for (int32_t i = 0; i < n_; ++i) {
      order.push_back(static_cast<uint8_t>(at));
      int32_t to = -1;
      for (const int32_t other : next[u(at)]) to = other != from ? other : to;
      from = at;
      at = to;
    }
    std::vector<uint64_t> memory(static_cast<size_t>(Neighbours::bytes(n_) + LocalSearch::bytes(n_)) / 8 + 1);
    Scratch scratch{reinterpret_cast<uint8_t*>(memory.data())};
    const Neighbours near = Neighbours::of(d_, kMostNeighbours, scratch);
    Words words({0, static_cast<uint32_t>(nodes_), 0}, Purpose::kTie);
    LocalSearch(d_, near, scratch).run(order.data(), n_ / 4, words);
    one_trees_.offer(order.data());
  }
  // The search on 1-trees takes what is left, if that is little.
  bool close_by_one_trees(int32_t depth) {
    std::vector<uint16_t> out, in;
    for (size_t e = 0; e < state_.size(); ++e) {
      const uint16_t pair = static_cast<uint16_t>(connections_[e].a * 256 + connections_[e].b);
      if (state_[e] == kOut) out.push_back(pair);
      if (state_[e] == kIn) in.push_back(pair);
    }
    const int64_t budget = std::min<int64_t>(kCloseNodes, node_limit_ - nodes_), before = one_trees_.count_nodes();
    if (budget <= 0) return false;
    const bool closed = one_trees_.close(OneLane{}, out.data(), static_cast<int32_t>(out.size()), in.data(),
                                         static_cast<int32_t>(in.size()), budget, depth);
    nodes_ += one_trees_.count_nodes() - before;
    return closed;
  }

  // True: no shorter tour is left below; false: given up (a limit).
  bool visit(int32_t depth) {
    ++counts_.nodes;
    ++nodes_;
    const size_t mark = fixed_.size();
    int64_t bound = 0;
    bool closed = tighten(depth, bound);
    if (depth == 0) root_bound_ = bound;
    one_trees_.note(closed ? TraceKind::kClosed : TraceKind::kBound, depth, 0, 0,
                    d_.coarse_shift < 0 ? bound : one_trees_.fine_from(bound));
    if (!closed && depth <= kToursFromX) {
      const int64_t before = one_trees_.best_length();
      try_tour_from(program_.primal());
      if (one_trees_.best_length() < before) closed = bound > threshold() || tighten(depth, bound);
    }
    if (!closed) closed = branch(depth, bound);
    if (depth > 0) undo(mark);
    return closed;
  }
  bool branch(int32_t depth, int64_t bound) {
    const int64_t little = int64_t{n_} << shift_;
    const std::vector<double> x = program_.primal();
    std::vector<std::pair<double, int32_t>> divided;
    for (size_t e = 0; e < x.size(); ++e) {
      if (state_[e] == kFree && x[e] > 1e-6 && x[e] < 1.0 - 1e-6)
        divided.push_back({std::fabs(x[e] - 0.5), static_cast<int32_t>(e)});
    }
    const auto free = std::count(state_.begin(), state_.end(), kFree);
    if (divided.empty() || threshold() - bound < little || free < n_ / 2) {
      if (close_by_one_trees(depth)) return true;
    }
    if (nodes_ >= node_limit_ || is_raised(stop_)) return false;
    if (divided.empty()) {
      for (size_t e = 0; e < state_.size() && divided.empty(); ++e) {
        if (state_[e] == kFree) divided.push_back({0.0, static_cast<int32_t>(e)});
      }
      if (divided.empty()) return false;
    }
    std::sort(divided.begin(), divided.end());
    if (divided.size() > kCandidates) divided.resize(kCandidates);
    // Both ways of each, a few pivots deep.
    int32_t chosen = divided[0].second;
    double best = -1.0;
    State first = kOut;
    if (divided.size() > 1) {
      const LinearProgram kept = program_;
      const double here = program_.objective();
      for (const auto& [uneven, e] : divided) {
        double gain[2];
        for (const State side : {kOut, kIn}) {
          program_.set_bounds(e, side == kIn ? 1.0 : 0.0, side == kIn ? 1.0 : 0.0);
          const LinearProgram::Status status = program_.solve(kProbePivots);
          gain[side == kIn] =
              status == LinearProgram::Status::kInfeasible ? 1e18 : std::max(0.0, program_.objective() - here);
          program_ = kept;
        }
        const double score = std::min(gain[0], gain[1]) * 10 + std::max(gain[0], gain[1]);
        if (score > best) {
          best = score;
          chosen = e;
          first = gain[0] > gain[1] ? kOut : kIn;
        }
      }
    }
    for (const State side : {first, first == kOut ? kIn : kOut}) {
      const size_t mark = fixed_.size();
      const auto [a, b] = connections_[u(chosen)];
      one_trees_.note(side == kIn ? TraceKind::kInclude : TraceKind::kExclude, depth, a, b, 0);
      fix(chosen, side);
      const bool closed = visit(depth + 1);
      undo(mark);
      if (!closed) return false;
    }
    return true;
  }

  const Distances& d_;
  BranchAndBound& one_trees_;
  const int64_t node_limit_;
  const uint8_t* stop_;
  SearchCounts& counts_;
  const int32_t n_, shift_;
  std::vector<Connection> connections_;
  std::vector<int64_t> exact_, reduced_;
  std::vector<State> state_;
  std::vector<int32_t> fixed_;
  LinearProgram program_{std::vector<double>{}};
  Separator separator_{0, {}};
  int64_t root_bound_ = 0, nodes_ = 0;
};

}  // namespace

int64_t branch_and_cut(const Distances& d, BranchAndBound& one_trees, int64_t node_limit, const uint8_t* stop,
                       uint8_t* best, SearchCounts& counts) {
  Search search(d, one_trees, node_limit, stop, counts);
  const int64_t before = one_trees.count_nodes();
  const bool closed = search.solve();
  counts.nodes += one_trees.count_nodes() - before;
  for (int32_t i = 0; i < d.n; ++i) best[i] = one_trees.best_tour()[i];
  if (closed) return one_trees.best_length();
  const int64_t bound = std::max(one_trees.root_bound() * (int64_t{1} << (d.coarse_shift < 0 ? -d.coarse_shift : 0)),
                                 search.root_bound());
  return d.coarse_shift <= 0 ? bound : (bound + (int64_t{1} << d.coarse_shift) - 1) >> d.coarse_shift;
}

}  // namespace mesa
