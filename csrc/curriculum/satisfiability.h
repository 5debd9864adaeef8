// k-SAT: is there an assignment that satisfies every clause? Backtracking with unit propagation (Davis, Logemann and
// Loveland 1962), without clause learning, so that a node is a node.
#pragma once
#include "problem.h"

namespace mesa {

struct Satisfiability {
  static constexpr const char* kName = "satisfiability";
  static constexpr const char* kHelp = "an assignment that satisfies every clause of a random k-SAT formula";
  static constexpr int32_t kMinN = 1, kMaxN = 256;
  static constexpr int32_t kMaxLiterals = 8, kMaxClauses = 1 << 16;

  struct Options {
    int32_t k = 3;
    double ratio = 0.0;
    bool planted = false;
  };
  template <class Visitor>
  static void options(Visitor& v, Options& o) {
    v.integer("k", o.k, 2, kMaxLiterals, "literals a clause");
    v.real("ratio", o.ratio, 0.0, 300.0,
           "clauses a variable; 0: at the threshold of large formulas (k = 2: 1, 3: 4.26, 4: 9.93, 5: 21.12, 6: 43.37, "
           "7: 87.79, 8: 176.5)");
    v.flag("planted", o.planted, "drawn so that a hidden uniform assignment satisfies every clause");
  }
  // Mertens, Mézard and Zecchina 2006, "Threshold values of random K-SAT from the cavity method", table 1; k = 3 after
  // Crawford and Auton 1996; k = 8 by their expansion 2^k ln 2 - (1 + ln 2) / 2.
  static double threshold(int32_t k) {
    constexpr double of[] = {1.0, 4.26, 9.93, 21.12, 43.37, 87.79, 176.5};
    return of[k - 2];
  }
  static ProblemSize size(int32_t n, const Options& o) {
    if (o.k > n)
      throw std::invalid_argument("k: got " + std::to_string(o.k) + ", allowed: 2 to n, which is " + std::to_string(n));
    const double clauses = n * (o.ratio > 0 ? o.ratio : threshold(o.k));
    if (clauses > kMaxClauses)
      throw std::invalid_argument("ratio: got " + std::to_string(clauses / n) + " with n=" + std::to_string(n) +
                                  ", allowed: at most " + std::to_string(kMaxClauses) + " clauses");
    ProblemSize size;
    size.n = n;
    size.clauses = clauses < 1 ? 1 : static_cast<int32_t>(clauses + 0.5);
    size.literals = o.k;
    return size;
  }

  struct Arrays {
    int32_t* clauses;  // [count, clauses, literals]: v + 1 is variable v, -(v + 1) its negation (DIMACS)
  };
  struct Instance {
    int32_t* clauses;
  };
  MESA_HD static Instance at(const Arrays& arrays, const ProblemSize& size, int64_t i) {
    return {arrays.clauses + i * size.clauses * size.literals};
  }

  // Clauses are independent; a clause's variables are a uniform k-subset, in the order drawn, its signs uniform.
  MESA_HD static void generate(const ProblemSize& size, const Options& o, const Key& key, const Instance& made) {
    Rng rng(key, Purpose::kTask), hidden(key, Purpose::kPlacement);
    uint32_t truth[kMaxN / 32];
    for (uint32_t& word : truth) word = hidden.u32();
    const uint32_t signs = 1u << size.literals;
    for (int32_t c = 0; c < size.clauses; ++c) {
      int32_t* clause = made.clauses + c * size.literals;
      uint32_t satisfied_by = 0;  // bit j: the hidden value of the j-th variable
      for (int32_t j = 0; j < size.literals; ++j) {
        bool repeated = true;
        while (repeated) {
          clause[j] = 1 + static_cast<int32_t>(rng.below(static_cast<uint32_t>(size.n)));
          repeated = false;
          for (int32_t i = 0; i < j; ++i) repeated = repeated || clause[i] == clause[j];
        }
        const int32_t v = clause[j] - 1;
        satisfied_by |= (truth[v / 32] >> (v % 32) & 1) << j;
      }
      // Bit j of `negated`: the j-th literal is. All literals are false exactly if it equals the hidden values.
      uint32_t negated = rng.u32() & (signs - 1);
      while (o.planted && negated == satisfied_by) negated = rng.u32() & (signs - 1);
      for (int32_t j = 0; j < size.literals; ++j) clause[j] = (negated >> j & 1) ? -clause[j] : clause[j];
    }
  }

  MESA_HD static int64_t scratch_bytes(const ProblemSize& size) {
    const int64_t n = size.n, m = size.clauses, places = m * size.literals;
    return Scratch::bytes_for<int32_t>(2 * n + 2) + Scratch::bytes_for<int32_t>(places) +
           2 * Scratch::bytes_for<uint8_t>(m) + Scratch::bytes_for<int8_t>(n) + Scratch::bytes_for<int32_t>(n + 1) +
           2 * Scratch::bytes_for<int32_t>(n + 1) + Scratch::bytes_for<int64_t>(2 * n);
  }

  // A partial assignment with, for every clause, how many of its literals are true and how many are free.
  struct Formula {
    static constexpr int8_t kFree = -1;

    int32_t n, clauses, literals;
    const int32_t* clause_at;
    int32_t *begin, *place;  // clauses with literal l: place[begin[l] … begin[l + 1] - 1]
    uint8_t *num_true, *num_free;
    int8_t* value;   // of each variable
    int32_t* trail;  // literals made true, in order
    int32_t assigned = 0;

    MESA_HD static int32_t code(int32_t signed_literal) {
      return signed_literal > 0 ? 2 * (signed_literal - 1) : 2 * (-signed_literal - 1) + 1;
    }
    MESA_HD const int32_t* clause(int32_t c) const { return clause_at + c * literals; }

    MESA_HD Formula(const ProblemSize& size, const Instance& given, Scratch& scratch)
        : n(size.n),
          clauses(size.clauses),
          literals(size.literals),
          clause_at(given.clauses),
          begin(scratch.take<int32_t>(2 * n + 2)),
          place(scratch.take<int32_t>(int64_t{clauses} * literals)),
          num_true(scratch.take<uint8_t>(clauses)),
          num_free(scratch.take<uint8_t>(clauses)),
          value(scratch.take<int8_t>(n)),
          trail(scratch.take<int32_t>(n + 1)) {
      for (int32_t l = 0; l < 2 * n + 2; ++l) begin[l] = 0;
      for (int32_t i = 0; i < clauses * literals; ++i) ++begin[code(clause_at[i]) + 2];
      for (int32_t l = 2; l < 2 * n + 2; ++l) begin[l] += begin[l - 1];
      // begin[l + 1] is where the next place of l goes, and ends as where those of l end.
      for (int32_t i = 0; i < clauses * literals; ++i) place[begin[code(clause_at[i]) + 1]++] = i / literals;
      for (int32_t c = 0; c < clauses; ++c) {
        num_true[c] = 0;
        num_free[c] = static_cast<uint8_t>(literals);
      }
      for (int32_t v = 0; v < n; ++v) value[v] = kFree;
    }
    MESA_HD bool is_free(int32_t literal) const { return value[literal >> 1] == kFree; }
    MESA_HD void put(int32_t literal) {
      value[literal >> 1] = static_cast<int8_t>(~literal & 1);
      trail[assigned++] = literal;
    }

    // Tells the clauses of the literals on the trail from `from` on, puts what follows by unit clauses, and so on;
    // false if a clause has no literal left (what was put stays on the trail, and `told` says how far clauses know of
    // it).
    MESA_HD bool propagate(int32_t from, int32_t& told) {
      bool possible = true;
      for (told = from; told < assigned && possible; ++told) {
        const int32_t literal = trail[told];
        for (int32_t i = begin[literal]; i < begin[literal + 1]; ++i) {
          ++num_true[place[i]];
          --num_free[place[i]];
        }
        for (int32_t i = begin[literal ^ 1]; i < begin[(literal ^ 1) + 1]; ++i) {
          const int32_t c = place[i];
          --num_free[c];
          if (num_true[c] > 0 || num_free[c] > 1) continue;
          const int32_t unit = free_literal(c);
          if (unit >= 0) {
            put(unit);
          } else if (!made_true_later(c)) {
            possible = false;
          }
        }
      }
      return possible;
    }
    MESA_HD int32_t free_literal(int32_t c) const {
      for (int32_t j = 0; j < literals; ++j)
        if (is_free(code(clause(c)[j]))) return code(clause(c)[j]);
      return -1;
    }
    // Whether a literal of the clause is true, the clause told of it or not.
    MESA_HD bool made_true_later(int32_t c) const {
      for (int32_t j = 0; j < literals; ++j) {
        const int32_t literal = code(clause(c)[j]);
        if (value[literal >> 1] == static_cast<int8_t>(~literal & 1)) return true;
      }
      return false;
    }
    // Takes back the trail from `mark` on, of which clauses know up to `told`.
    MESA_HD void take_back(int32_t mark, int32_t told) {
      for (int32_t t = assigned - 1; t >= mark; --t) {
        const int32_t literal = trail[t];
        value[literal >> 1] = kFree;
        if (t >= told) continue;
        for (int32_t i = begin[literal]; i < begin[literal + 1]; ++i) {
          --num_true[place[i]];
          ++num_free[place[i]];
        }
        for (int32_t i = begin[literal ^ 1]; i < begin[(literal ^ 1) + 1]; ++i) ++num_free[place[i]];
      }
      assigned = mark;
    }

    // The literal to try first: of the variable with the largest product of its two literals' weights, the heavier one,
    // a weight being 1 + the sum of 2^-(free literals) over open clauses (Hooker and Vinay 1995's two-sided
    // Jeroslow-Wang, multiplied instead of added as by Freeman 1995). -1: no clause is open.
    MESA_HD int32_t branch(int64_t* weight) const {
      for (int32_t l = 0; l < 2 * n; ++l) weight[l] = 1;
      bool open = false;
      for (int32_t c = 0; c < clauses; ++c) {
        if (num_true[c] > 0) continue;
        open = true;
        for (int32_t j = 0; j < literals; ++j) weight[code(clause(c)[j])] += int64_t{1} << (kMaxLiterals - num_free[c]);
      }
      int64_t most = -1;
      int32_t best = -1;
      for (int32_t v = 0; open && v < n; ++v) {
        const int64_t product = weight[2 * v] * weight[2 * v + 1];
        if (value[v] != kFree || product <= most) continue;
        most = product;
        best = 2 * v + (weight[2 * v + 1] > weight[2 * v]);
      }
      return best;
    }
  };

  MESA_HD static Found solve(const ProblemSize& size, const Instance& given, int64_t node_limit, int8_t* answer,
                             Scratch scratch) {
    Formula formula(size, given, scratch);
    int32_t* mark = scratch.take<int32_t>(size.n + 1);     // where on the trail a choice stands
    int32_t* flipped = scratch.take<int32_t>(size.n + 1);  // whether it is the second one
    int64_t* weight = scratch.take<int64_t>(2 * size.n);
    NodeCount count{node_limit};
    Found found;
    no_answer(size.n, answer);
    int32_t depth = 0, told = 0;
    bool possible = true;
    if (size.literals == 1)
      for (int32_t c = 0; c < size.clauses; ++c) {
        const int32_t unit = formula.free_literal(c);
        if (unit >= 0) formula.put(unit);
        possible = possible && formula.made_true_later(c);
      }
    while (count.arrive()) {
      possible = possible && formula.propagate(depth > 0 ? mark[depth - 1] : 0, told);
      if (possible) {
        const int32_t choice = formula.branch(weight);
        if (choice < 0) {
          for (int32_t v = 0; v < size.n; ++v) answer[v] = formula.value[v] == 1;
          found.value = size.clauses;
          found.feasible = found.optimal = true;
          break;
        }
        mark[depth] = formula.assigned;
        flipped[depth++] = false;
        formula.put(choice);
        continue;
      }
      while (depth > 0 && flipped[depth - 1]) --depth;
      if (depth == 0) {
        found.optimal = true;
        break;
      }
      const int32_t choice = formula.trail[mark[depth - 1]];
      formula.take_back(mark[depth - 1], told);
      flipped[depth - 1] = possible = true;
      formula.put(choice ^ 1);
    }
    found.nodes = count.visited;
    return found;
  }

  // Johnson 1974: variable after variable takes the value that satisfies the more weight of open clauses, 2^-(literals
  // left) each; at a tie, true. At least 1 - 2^-k of the clauses are satisfied.
  MESA_HD static Found greedy(const ProblemSize& size, const Instance& given, int8_t* answer, Scratch scratch) {
    Formula formula(size, given, scratch);
    for (int32_t v = 0; v < size.n; ++v) {
      int64_t weight[2] = {0, 0};
      for (int32_t sign = 0; sign < 2; ++sign)
        for (int32_t i = formula.begin[2 * v + sign]; i < formula.begin[2 * v + sign + 1]; ++i) {
          const int32_t c = formula.place[i];
          weight[sign] += formula.num_true[c] > 0 ? 0 : int64_t{1} << (kMaxLiterals - formula.num_free[c]);
        }
      const int32_t literal = 2 * v + (weight[1] > weight[0]);
      answer[v] = static_cast<int8_t>(~literal & 1);
      for (int32_t i = formula.begin[literal]; i < formula.begin[literal + 1]; ++i) {
        ++formula.num_true[formula.place[i]];
        --formula.num_free[formula.place[i]];
      }
      for (int32_t i = formula.begin[literal ^ 1]; i < formula.begin[(literal ^ 1) + 1]; ++i)
        --formula.num_free[formula.place[i]];
    }
    Found found;
    found.value = 0;
    for (int32_t c = 0; c < size.clauses; ++c) found.value += formula.num_true[c] > 0;
    found.feasible = found.value == size.clauses;
    return found;
  }
};

}  // namespace mesa
