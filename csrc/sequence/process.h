// A process that sends symbols, one at a time: its options, what is hidden in it, and how it goes on. Who watches it
// and what can be known of it is in filter.h.
#pragma once
#include "../core/rng.h"
#include "../core/spec.h"
#include "weather.h"

namespace mesa::sequence {

enum Process : int32_t { kPairs, kMarkov, kStreak, kRegimeSwitching, kCoin, kSwitchingCoin, kCategorical, kProcesses };
enum Relabel : int32_t { kNone, kFixed, kEveryEpisode };

constexpr int32_t kMostSymbols = 16;
constexpr int64_t kMostTableBytes = int64_t{1} << 20;  // of all tasks together
constexpr int64_t kMostWeights = int64_t{1} << 17;     // tasks times relabellings

struct SequenceLaw {
  int32_t process = kRegimeSwitching;
  double hazard = 0.02, noise = 0.05;
  double alpha = 1.0, beta = 1.0;
  int32_t symbols = 4, order = 1, tasks = 0, task_seed = 0;
  double concentration = 1.0;
  int32_t relabel = kNone, relabel_seed = 0;

  template <class Visitor>
  static void options(Visitor& v, SequenceLaw& law) {
    v.choice("process", law.process, {"pairs", "markov", "streak", "regimes", "coin", "switching_coin", "categorical"},
             "what sends the symbols; pairs, markov, streak and regimes are the weather ladder W0 to W3");
    v.real("hazard", law.hazard, 0.0, 1.0,
           "chance before each symbol but the first that the regime (regimes) or bias (switching_coin) is drawn anew");
    v.real("noise", law.noise, 0.0, 0.5, "chance that a symbol of regimes is turned round");
    v.real("alpha", law.alpha, 0.01, 1000.0, "first parameter of a coin's Beta prior, pseudo-count of symbol 1");
    v.real("beta", law.beta, 0.01, 1000.0, "second parameter of a coin's Beta prior, pseudo-count of symbol 0");
    v.integer("symbols", law.symbols, 2, kMostSymbols, "symbols of categorical; the others have two");
    v.integer("order", law.order, 0, 1, "categorical: 0, independent draws; 1, a Markov chain begun anywhere");
    v.integer("tasks", law.tasks, 0, 65536,
              "categorical: tables an episode draws from, made from task_seed; 0: a fresh table every episode");
    v.integer("task_seed", law.task_seed, 0, 2147483647, "categorical: which tables");
    v.real("concentration", law.concentration, 0.01, 1000.0,
           "categorical: of the symmetric Dirichlet that a table's rows are drawn from");
    v.choice("relabel", law.relabel, {"none", "fixed", "episode"},
             "categorical: what the tables' symbols are called; fixed: a permutation from relabel_seed; episode: a "
             "fresh one every episode (alien language)");
    v.integer("relabel_seed", law.relabel_seed, 0, 2147483647, "categorical: which permutation relabel=fixed is");
  }
  // What the options' own ranges cannot say.
  void check() const {
    if (process != kCategorical) return;
    if (table_bytes() * tasks > kMostTableBytes)
      throw std::invalid_argument("tasks: got " + std::to_string(tasks) + " with symbols=" + std::to_string(symbols) +
                                  ", order=" + std::to_string(order) + ", allowed: up to " +
                                  std::to_string(kMostTableBytes / table_bytes()) + " (1 MiB of tables)");
    if (num_weights() > kMostWeights)
      throw std::invalid_argument("relabel: got 'episode' with symbols=" + std::to_string(symbols) +
                                  ", tasks=" + std::to_string(tasks) +
                                  ", allowed: tasks * symbols! up to 131072, so that the exact filter can be held");
  }

  MESA_HD bool is_categorical() const { return process == kCategorical; }
  MESA_HD int32_t num_symbols() const { return is_categorical() ? symbols : 2; }
  MESA_HD int32_t rows() const { return order == 0 ? 1 : symbols; }
  MESA_HD int64_t table_bytes() const { return is_categorical() ? int64_t{4} * rows() * symbols : 0; }
  MESA_HD bool has_tasks() const { return is_categorical() && tasks > 0; }
  MESA_HD bool is_switching() const { return process == kRegimeSwitching || process == kSwitchingCoin; }
  MESA_HD int64_t relabellings() const {
    int64_t count = 1;
    if (relabel == kEveryEpisode && tasks > 0)  // fresh tables are exchangeable: relabelling them changes nothing
      for (int32_t k = 2; k <= symbols && count <= kMostWeights; ++k) count *= k;
    return count;
  }
  MESA_HD int64_t num_weights() const { return has_tasks() ? tasks * relabellings() : 0; }
};

// Chance p as a limit for 32 random bits: a symbol comes if they are below. 0 and 1 are exact.
MESA_HD uint64_t limit_of(double p) {
  return static_cast<uint64_t>(p * 4294967296.0);
}

// A permutation of up to 16 symbols, four bits each: symbol a is called (code >> 4 a) & 15.
MESA_HD int32_t called(uint64_t code, int32_t symbol) {
  return static_cast<int32_t>(code >> 4 * symbol & 15);
}
MESA_HD uint64_t swapped(uint64_t code, int32_t i, int32_t j) {
  const uint64_t difference = (code >> 4 * i ^ code >> 4 * j) & 15;
  return code ^ difference << 4 * i ^ difference << 4 * j;
}
constexpr uint64_t kIdentity = 0xFEDCBA9876543210ull;
MESA_HD uint64_t random_permutation(Rng& rng, int32_t symbols) {
  uint64_t code = kIdentity;
  for (int32_t i = symbols - 1; i > 0; --i) code = swapped(code, i, static_cast<int32_t>(rng.below(uint32_t(i + 1))));
  return code;
}
// The number-th of symbols! permutations, by the same swaps.
MESA_HD uint64_t numbered_permutation(int64_t number, int32_t symbols) {
  uint64_t code = kIdentity;
  for (int32_t i = symbols - 1; i > 0; --i) {
    code = swapped(code, i, static_cast<int32_t>(number % (i + 1)));
    number /= i + 1;
  }
  return code;
}
MESA_HD uint64_t relabelling_of(const SequenceLaw& law) {
  if (law.relabel != kFixed) return kIdentity;
  Rng rng({static_cast<uint64_t>(law.relabel_seed), 0, 0}, Purpose::kPlacement);
  return random_permutation(rng, law.symbols);
}

// A row's shares, to one factor, where they underflow; their sum.
MESA_HD_RARE double shares_by_logs(const SequenceLaw& law, Rng& rng, double* share) {
  double most = 0.0, sum = 0.0;
  for (int32_t k = 0; k < law.symbols; ++k) {
    share[k] = rng.log_gamma(law.concentration);
    if (k == 0 || share[k] > most) most = share[k];
  }
  for (int32_t k = 0; k < law.symbols; ++k) sum += share[k] = portable_exp(share[k] - most);
  return sum;
}

// A table: for every row (the last symbol; one row if order is 0) the 32-bit mass of each symbol. Masses are 1 or more
// and add up to 2^32, so that the law is these numbers exactly and nothing is impossible.
MESA_HD_RARE void draw_table(const SequenceLaw& law, Rng& rng, uint64_t names, uint32_t* table) {
  for (int32_t row = 0; row < law.rows(); ++row) {
    double share[kMostSymbols], sum = 0.0;
    Rng again = rng;
    for (int32_t k = 0; k < law.symbols; ++k) sum += share[k] = rng.gamma(law.concentration);
    if (!(sum > Rng::kLeastSum)) sum = shares_by_logs(law, again, share);
    uint32_t* masses = table + (law.order == 0 ? 0 : called(names, row)) * law.symbols;
    uint64_t left = uint64_t{1} << 32;
    int32_t largest = 0;
    for (int32_t k = 0; k < law.symbols; ++k) {
      const uint64_t mass = 1 + limit_of(share[k] / sum * (1.0 - 1e-8));
      masses[called(names, k)] = static_cast<uint32_t>(mass);
      left -= mass;
      if (share[k] > share[largest]) largest = k;
    }
    masses[called(names, largest)] += static_cast<uint32_t>(left);
  }
}
MESA_HD_RARE void draw_table_of_task(const SequenceLaw& law, int32_t task, uint64_t names, uint32_t* table) {
  Rng rng({static_cast<uint64_t>(law.task_seed), static_cast<uint32_t>(task), 0}, Purpose::kLayout);
  draw_table(law, rng, names, table);
}
MESA_HD double chance_of(uint32_t mass) {
  return mass * (1.0 / 4294967296.0);
}
// The row in force. A chain's first symbol is any, which no row says: null.
MESA_HD const uint32_t* row_of(const SequenceLaw& law, const uint32_t* table, int32_t last) {
  return law.order == 0 ? table : last < 0 ? nullptr : table + last * law.symbols;
}

constexpr int32_t kNever = 2147483647;
constexpr uint32_t kBlocksADraw = 256;  // of random numbers that a draw of what is hidden reads from

// What is hidden, as in force for the next symbol.
struct Hidden {
  double bias = 0.0;            // of a coin
  int32_t number = 0;           // the rule (regimes) or task (categorical) in force
  int32_t changes_at = kNever;  // the time (symbols so far) at which it is drawn anew
  int32_t draws = 0;
  int32_t unused = 0;
};

// What of it is shown: the regime, or the number of the task; 0 where there is neither.
MESA_HD int32_t number_shown(const SequenceLaw& law, const Hidden& hidden) {
  return law.process == kRegimeSwitching ? regime_of(hidden.number) : hidden.number;
}

// Symbols 0, 1, 2 … of one key. `table` is the episode's own, of table_bytes(), for categorical.
struct Sender {
  uint32_t words[4];  // the random bits of four symbols, the next among them
  Past past;
  int32_t unused;
  Hidden hidden;

  MESA_HD_RARE void draw_hidden(const SequenceLaw& law, const Key& key, uint32_t* table) {
    Rng rng(key, Purpose::kTask);
    rng.next_block = kBlocksADraw * static_cast<uint32_t>(hidden.draws++);
    if (law.process == kRegimeSwitching) {
      const auto regime = static_cast<int32_t>(uint64_t{rng.u32()} * kRegimes >> 32);
      const auto rules = static_cast<uint64_t>(rules_of(regime));
      hidden.number = first_rule_of(regime) + static_cast<int32_t>(rng.u32() * rules >> 32);
    } else if (law.process == kCoin || law.process == kSwitchingCoin) {
      hidden.bias = law.alpha == 1.0 && law.beta == 1.0 ? rng.uniform() : rng.beta(law.alpha, law.beta);
    } else if (law.has_tasks()) {
      hidden.number = static_cast<int32_t>(rng.below(static_cast<uint32_t>(law.tasks)));
      const bool anew = law.relabel == kEveryEpisode;
      draw_table_of_task(law, hidden.number, anew ? random_permutation(rng, law.symbols) : relabelling_of(law), table);
    } else if (law.is_categorical()) {
      draw_table(law, rng, kIdentity, table);
    }
    if (law.is_switching()) hidden.changes_at = next_change(law.hazard, past.time, rng.uniform());
  }
  // The geometric law: before each symbol a change has chance `hazard`.
  MESA_HD static int32_t next_change(double hazard, int32_t now, double u) {
    if (hazard <= 0.0) return kNever;
    if (hazard >= 1.0) return now + 1;
    const double wait = 1.0 + portable_log(u) / portable_log(1.0 - hazard);  // -inf if 1 - hazard rounds to 1
    return wait >= 1.0 && wait < 1e9 ? now + static_cast<int32_t>(wait) : kNever;
  }

  MESA_HD void begin(const SequenceLaw& law, const Key& key, uint32_t* table) {
    *this = Sender{};
    draw_words(key);
    draw_hidden(law, key, table);
  }
  // The chance of symbol 1 in a process of two symbols, for who knows what is hidden.
  MESA_HD double chance_of_one(const SequenceLaw& law) const {
    switch (law.process) {
      case kPairs:
        return rain_of_pairs(past);
      case kMarkov:
        return rain_of_markov(past);
      case kStreak:
        return rain_of_streaks(past);
      case kRegimeSwitching:
        return rain_of_rule(hidden.number, past, law.noise);
      default:
        return hidden.bias;
    }
  }
  // Of every symbol.
  MESA_HD void chances(const SequenceLaw& law, const uint32_t* table, double* p) const {
    if (!law.is_categorical()) {
      p[1] = chance_of_one(law);
      p[0] = 1.0 - p[1];
      return;
    }
    const uint32_t* masses = row_of(law, table, past.last);
    for (int32_t k = 0; k < law.symbols; ++k) p[k] = masses ? chance_of(masses[k]) : 1.0 / law.symbols;
  }
  MESA_HD int32_t draw_symbol(const SequenceLaw& law, const uint32_t* table, uint32_t bits) const {
    if (!law.is_categorical()) return bits < limit_of(chance_of_one(law));
    const uint32_t* masses = row_of(law, table, past.last);
    if (!masses) return static_cast<int32_t>(uint64_t{bits} * static_cast<uint64_t>(law.symbols) >> 32);
    int32_t symbol = 0;
    for (uint32_t left = bits; symbol < law.symbols - 1 && left >= masses[symbol]; ++symbol) left -= masses[symbol];
    return symbol;
  }
  MESA_HD int32_t send(const SequenceLaw& law, const Key& key, uint32_t* table) {
    const int32_t symbol = next_symbol(law, table);
    append(past, symbol);
    if (past.time % 4 == 0) draw_words(key);
    if (past.time == hidden.changes_at) draw_hidden(law, key, table);
    return symbol;
  }
  MESA_HD int32_t next_symbol(const SequenceLaw& law, const uint32_t* table) const {
    return draw_symbol(law, table, words[past.time % 4]);
  }
  MESA_HD void draw_words(const Key& key) {
    const Block block = key.block(Purpose::kStep, static_cast<uint32_t>(past.time) / 4);
    for (int i = 0; i < 4; ++i) words[i] = block.word[i];
  }
};

}  // namespace mesa::sequence
