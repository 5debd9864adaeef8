// The exact Bayes filter of every process: what can be known of the next symbol from those before it, the law being
// known and what is hidden not. It is finite: a weight for each rule, task or run, or a count for each symbol.
#pragma once
#include "../core/scratch.h"
#include "process.h"

namespace mesa::sequence {

struct Filter {
  SequenceLaw law;
  double* weights;         // [rules], [tasks * relabellings], or [runs]: posterior of what holds for the next symbol
  int32_t* counts;         // [rows, symbols] seen (fresh tables), or [runs] of symbol 1 since each run began (coins)
  const uint32_t* tables;  // [tasks, rows, symbols]: of every task, as in SequenceLaw; only read

  // How many of each there are if a sequence has `length` symbols.
  MESA_HD static int64_t num_weights(const SequenceLaw& law, int64_t length) {
    if (law.process == kRegimeSwitching) return kRules;
    if (law.process == kSwitchingCoin) return length + 1;
    return law.process == kCoin ? 1 : law.num_weights();
  }
  MESA_HD static int64_t num_counts(const SequenceLaw& law, int64_t length) {
    if (law.process == kSwitchingCoin) return length + 1;
    if (law.process == kCoin) return 1;
    return law.is_categorical() && !law.has_tasks() ? law.rows() * law.symbols : 0;
  }

  MESA_HD void begin() const {
    if (law.process == kRegimeSwitching) {
      for (int32_t rule = 0; rule < kRules; ++rule) weights[rule] = prior_of_rule(rule);
    } else if (law.process == kCoin || law.process == kSwitchingCoin) {
      weights[0] = 1.0;
      counts[0] = 0;
    } else if (law.has_tasks()) {
      const int64_t all = law.num_weights();
      for (int64_t i = 0; i < all; ++i) weights[i] = 1.0 / static_cast<double>(all);
    } else if (law.is_categorical()) {
      for (int64_t i = 0; i < num_counts(law, 0); ++i) counts[i] = 0;
    }
  }

  // Chances of the next symbol after `past`.
  MESA_HD void predict(const Past& past, double* p) const {
    if (law.is_categorical()) {
      if (law.order == 1 && past.last < 0) {
        for (int32_t k = 0; k < law.symbols; ++k) p[k] = 1.0 / law.symbols;
      } else if (law.has_tasks()) {
        predict_by_task(past, p);
      } else {
        predict_by_counts(past, p);
      }
      return;
    }
    p[1] = chance_of_one(past);
    p[0] = 1.0 - p[1];
  }

  // Takes in the symbol that came after `past`.
  MESA_HD void update(const Past& past, int32_t symbol) const {
    if (law.process == kRegimeSwitching) {
      update_rules(past, symbol);
    } else if (law.process == kCoin || law.process == kSwitchingCoin) {
      update_runs(past, symbol);
    } else if (law.has_tasks()) {
      if (law.order == 0 || past.last >= 0) update_tasks(past, symbol);
    } else if (law.is_categorical() && (law.order == 0 || past.last >= 0)) {
      ++counts[(law.order == 0 ? 0 : past.last * law.symbols) + symbol];
    }
  }

 private:
  MESA_HD double chance_of_one(const Past& past) const {
    double one = 0.0;
    switch (law.process) {
      case kPairs:
        return rain_of_pairs(past);
      case kMarkov:
        return rain_of_markov(past);
      case kStreak:
        return rain_of_streaks(past);
      case kRegimeSwitching:
        for (int32_t rule = 0; rule < kRules; ++rule) one += weights[rule] * rain_of_rule(rule, past, law.noise);
        return one;
      default:
        for (int32_t run = 0; run < num_runs(past); ++run) one += weights[run] * chance_in_run(past, run);
        return one;
    }
  }
  MESA_HD void scale(int64_t count, double factor) const {
    for (int64_t i = 0; i < count; ++i) weights[i] *= factor;
  }

  MESA_HD void update_rules(const Past& past, int32_t symbol) const {
    double sum = 0.0;
    for (int32_t rule = 0; rule < kRules; ++rule) {
      const double one = rain_of_rule(rule, past, law.noise);
      sum += weights[rule] *= symbol == 1 ? one : 1.0 - one;
    }
    // Rules may be ruled out, but never the one in force.
    for (int32_t rule = 0; rule < kRules; ++rule)
      weights[rule] = (1.0 - law.hazard) * (weights[rule] / sum) + law.hazard * prior_of_rule(rule);
  }

  // Coins: run r began at time r and goes on; one run only if the bias never changes (Adams and MacKay 2007, "Bayesian
  // online changepoint detection").
  MESA_HD int32_t num_runs(const Past& past) const { return law.process == kCoin ? 1 : past.time + 1; }
  MESA_HD double chance_in_run(const Past& past, int32_t run) const {
    return (law.alpha + counts[run]) / (law.alpha + law.beta + (past.time - run));
  }
  MESA_HD void update_runs(const Past& past, int32_t symbol) const {
    const int32_t runs = num_runs(past);
    double sum = 0.0;
    for (int32_t run = 0; run < runs; ++run) {
      const double one = chance_in_run(past, run);
      sum += weights[run] *= symbol == 1 ? one : 1.0 - one;
      counts[run] += symbol;
    }
    if (law.process == kCoin) {
      weights[0] = 1.0;
      return;
    }
    scale(runs, (1.0 - law.hazard) / sum);
    weights[runs] = law.hazard;
    counts[runs] = 0;
  }

  // Fresh tables: the Dirichlet posterior's mean.
  MESA_HD void predict_by_counts(const Past& past, double* p) const {
    const int32_t* seen = counts + (law.order == 0 ? 0 : past.last * law.symbols);
    int32_t total = 0;
    for (int32_t k = 0; k < law.symbols; ++k) total += seen[k];
    for (int32_t k = 0; k < law.symbols; ++k)
      p[k] = (seen[k] + law.concentration) / (total + law.symbols * law.concentration);
  }

  // Tasks, each under every relabelling: weight [relabelling, task].
  struct Names {  // of one relabelling: which symbol of the tables is called `symbol`
    uint64_t code;
    int32_t symbols;
    MESA_HD int32_t meant(int32_t symbol) const {
      int32_t k = 0;
      while (k < symbols - 1 && called(code, k) != symbol) ++k;
      return k;
    }
  };
  MESA_HD const uint32_t* masses_of(int32_t task, int32_t row) const {
    return tables + (int64_t{task} * law.rows() + row) * law.symbols;
  }
  MESA_HD Names names(int64_t relabelling) const {
    return {law.relabel == kEveryEpisode ? numbered_permutation(relabelling, law.symbols) : kIdentity, law.symbols};
  }
  MESA_HD void predict_by_task(const Past& past, double* p) const {
    for (int32_t k = 0; k < law.symbols; ++k) p[k] = 0.0;
    for (int64_t r = 0; r < law.relabellings(); ++r) {
      const Names n = names(r);
      const int32_t row = law.order == 0 ? 0 : n.meant(past.last);
      for (int32_t k = 0; k < law.symbols; ++k) {
        double sum = 0.0;
        for (int32_t task = 0; task < law.tasks; ++task)
          sum += weights[r * law.tasks + task] * chance_of(masses_of(task, row)[k]);
        p[called(n.code, k)] += sum;
      }
    }
  }
  MESA_HD void update_tasks(const Past& past, int32_t symbol) const {
    double sum = 0.0;
    for (int64_t r = 0; r < law.relabellings(); ++r) {
      const Names n = names(r);
      const int32_t row = law.order == 0 ? 0 : n.meant(past.last), meant = n.meant(symbol);
      for (int32_t task = 0; task < law.tasks; ++task)
        sum += weights[r * law.tasks + task] *= chance_of(masses_of(task, row)[meant]);
    }
    scale(law.num_weights(), 1.0 / sum);
  }
};

// Every task's table, under the fixed relabelling if there is one.
MESA_HD_RARE void draw_tables(const SequenceLaw& law, uint32_t* tables) {
  const uint64_t names = relabelling_of(law);
  for (int32_t task = 0; task < law.tasks; ++task)
    draw_table_of_task(law, task, names, tables + int64_t{task} * law.rows() * law.symbols);
}

}  // namespace mesa::sequence
