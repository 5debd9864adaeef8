// Sequence: symbols come one a step, and each is to be predicted from those before it; whatever is predicted, they
// come. An episode is one sequence of one draw of what is hidden in the process. A step is a trial.
#pragma once
#include "../core/batch.h"
#include "../core/spec.h"
#include "../sequence/filter.h"

namespace mesa {

struct Sequence {
  static constexpr const char* kId = "Sequence-v0";

  struct Config {
    bool oracle = false;  // set by the engine
    sequence::SequenceLaw law;
    int32_t length = 100;
  };
  template <class Visitor>
  static void options(Visitor& v, Config& c) {
    v.integer("length", c.length, 1, 100000, "symbols of an episode");
    sequence::SequenceLaw::options(v, c.law);
  }
  static void check(const Config& c) { c.law.check(); }
  static void describe(const Config& c, Spec& spec) {
    const int64_t symbols = c.law.num_symbols();
    spec.help = "symbols sent by a process with something hidden; reward 1 for each predicted right";
    spec.observation = {
        {"symbol", Dtype::kInt32, {1}, -1, double(symbols - 1), symbols, "the last symbol; -1 before the first"}};
    spec.oracle = {
        {"filter",
         Dtype::kFloat32,
         {symbols},
         0,
         1,
         0,
         "exact Bayes filter: chances of the next symbol given the past"},
        {"regime_oracle", Dtype::kFloat32, {symbols}, 0, 1, 0, "chances for who knows what is hidden too"},
        {"log_chances",
         Dtype::kFloat32,
         {2},
         -kUnbounded,
         0,
         0,
         "logarithm of the chance that the filter and the regime oracle gave to the last symbol; 0 before the first"},
        {"optimal_actions", Dtype::kBool, {symbols}, 0, 1, 0, "the symbols likeliest to the filter"},
        {"symbol_counts", Dtype::kInt32, {symbols}, 0, double(c.length), 0, "how often each symbol came"},
        {"next_symbol", Dtype::kInt32, {1}, 0, double(symbols - 1), symbols, "what comes next, which nobody can know"},
        {"hidden", Dtype::kInt32, {1}, 0, double(most_hidden(c)), 0, "the regime or task in force, 0 where none is"}};
    if (c.law.process == sequence::kRegimeSwitching)
      spec.oracle.push_back(
          {"posterior", Dtype::kFloat32, {sequence::kRegimes}, 0, 1, 0, "the filter's belief in each regime"});
    for (int64_t symbol = 0; symbol < symbols; ++symbol) spec.actions.push_back("predict " + std::to_string(symbol));
    const auto of = [](const char* process) { return OptionValue(std::string(process)); };
    spec.variants = {
        {},
        {{"process", of("pairs")}},
        {{"process", of("markov")}, {"length", int64_t{7}}},
        {{"process", of("streak")}},
        {{"hazard", 0.5}, {"noise", 0.0}, {"length", int64_t{33}}},
        {{"process", of("coin")}, {"alpha", 0.5}, {"beta", 2.0}, {"length", int64_t{20}}},
        {{"process", of("switching_coin")}, {"hazard", 0.1}, {"length", int64_t{40}}},
        {{"process", of("categorical")}, {"length", int64_t{30}}},
        {{"process", of("categorical")}, {"order", int64_t{0}}, {"tasks", int64_t{5}}, {"relabel", of("fixed")}},
        {{"process", of("categorical")},
         {"symbols", int64_t{3}},
         {"tasks", int64_t{4}},
         {"relabel", of("episode")},
         {"concentration", 0.3},
         {"length", int64_t{25}}}};
  }
  static int64_t most_hidden(const Config& c) {
    return c.law.process == sequence::kRegimeSwitching ? sequence::kRegimes - 1
           : c.law.has_tasks()                         ? c.law.tasks - 1
                                                       : 0;
  }

  struct State {
    sequence::Sender sender;
    float filter_log, oracle_log;  // of the last symbol; kept only for the oracle
  };
  static_assert(sizeof(State) == 64 && std::is_trivially_copyable_v<State>);

  // Tail: for the oracle the filter's weights, then its counts, the counts of symbols and all tasks' tables; in any
  // case the episode's own table.
  struct Tail {
    int64_t counts, symbol_counts, tables, table, end;  // bytes from its beginning
  };
  MESA_HD static Tail tail(const Config& c) {
    Tail t{};
    if (c.oracle) {
      t.counts = 8 * sequence::Filter::num_weights(c.law, c.length);
      t.symbol_counts = t.counts + 4 * sequence::Filter::num_counts(c.law, c.length);
      t.tables = t.symbol_counts + 4 * int64_t{c.law.num_symbols()};
      t.table = t.tables + (c.law.has_tasks() ? c.law.tasks * c.law.table_bytes() : 0);
    }
    t.end = t.table + c.law.table_bytes();
    return t;
  }
  MESA_HD static int64_t level_bytes(const Config&) { return 0; }  // it takes no levels
  static Needs needs(const Config&) { return {}; }
  MESA_HD static int64_t tail_bytes(const Config& c) { return tail(c).end; }
  MESA_HD static uint32_t* table(const Config& c, State& s) { return tail_of<uint32_t>(s, tail(c).table); }
  MESA_HD static int32_t* symbol_counts(const Config& c, State& s) {
    return tail_of<int32_t>(s, tail(c).symbol_counts);
  }
  MESA_HD static sequence::Filter filter(const Config& c, State& s) {
    const Tail t = tail(c);
    return {c.law, tail_of<double>(s), tail_of<int32_t>(s, t.counts), tail_of<uint32_t>(s, t.tables)};
  }

  MESA_HD static void reset(const Config& c, State& s, const Key& key, const uint8_t*, Scratch) {
    s = State{};
    s.sender.begin(c.law, key, table(c, s));
    if (!c.oracle) return;
    if (c.law.has_tasks()) sequence::draw_tables(c.law, tail_of<uint32_t>(s, tail(c).tables));
    filter(c, s).begin();
    for (int32_t k = 0; k < c.law.num_symbols(); ++k) symbol_counts(c, s)[k] = 0;
  }
  MESA_HD static bool ended(const Config& c, const State& s) { return s.sender.past.time >= c.length; }
  MESA_HD static Outcome step(const Config& c, State& s, int32_t action, const Key& key, Scratch) {
    const int32_t symbol = c.oracle ? send_and_watch(c, s, key) : s.sender.send(c.law, key, table(c, s));
    return {action == symbol ? 1.0f : 0.0f, ended(c, s), true};
  }
  MESA_HD_RARE static int32_t send_and_watch(const Config& c, State& s, const Key& key) {
    double known[sequence::kMostSymbols], told[sequence::kMostSymbols];
    const sequence::Past past = s.sender.past;
    filter(c, s).predict(past, known);
    s.sender.chances(c.law, table(c, s), told);
    const int32_t symbol = s.sender.send(c.law, key, table(c, s));
    filter(c, s).update(past, symbol);
    ++symbol_counts(c, s)[symbol];
    s.filter_log = static_cast<float>(portable_log(known[symbol]));
    s.oracle_log = static_cast<float>(portable_log(told[symbol]));
    return symbol;
  }

  template <class Lanes>
  MESA_HD static void observe(const Config&, const State& s, const Row& row, const Lanes&) {
    row.field<int32_t>(0)[0] = s.sender.past.last;
  }
  template <class Lanes>
  MESA_HD_RARE static void oracle(const Config& c, State& s, const Row& row, const Lanes&, Scratch) {
    double known[sequence::kMostSymbols], told[sequence::kMostSymbols];
    filter(c, s).predict(s.sender.past, known);
    s.sender.chances(c.law, table(c, s), told);
    double most = 0.0;
    for (int32_t k = 0; k < c.law.num_symbols(); ++k) most = known[k] > most ? known[k] : most;
    for (int32_t k = 0; k < c.law.num_symbols(); ++k) {
      row.field<float>(0)[k] = static_cast<float>(known[k]);
      row.field<float>(1)[k] = static_cast<float>(told[k]);
      row.field<uint8_t>(3)[k] = known[k] >= most - 1e-12;
      row.field<int32_t>(4)[k] = symbol_counts(c, s)[k];
    }
    row.field<float>(2)[0] = s.filter_log;
    row.field<float>(2)[1] = s.oracle_log;
    row.field<int32_t>(5)[0] = s.sender.next_symbol(c.law, table(c, s));
    row.field<int32_t>(6)[0] = sequence::number_shown(c.law, s.sender.hidden);
    if (c.law.process == sequence::kRegimeSwitching) {
      for (int32_t regime = 0; regime < sequence::kRegimes; ++regime) row.field<float>(7)[regime] = 0.0f;
      for (int32_t rule = 0; rule < sequence::kRules; ++rule)
        row.field<float>(7)[sequence::regime_of(rule)] += static_cast<float>(filter(c, s).weights[rule]);
    }
  }

  static bool valid(const Config& c, const State& s) {
    const sequence::Past& past = s.sender.past;
    const int32_t numbers = c.law.process == sequence::kRegimeSwitching ? sequence::kRules
                            : c.law.has_tasks()                         ? c.law.tasks
                                                                        : 1;
    const bool any = past.time > 0;
    return past.time >= 0 && past.time <= c.length && past.last >= (any ? 0 : -1) &&
           past.last < (any ? c.law.num_symbols() : 0) && past.streak >= any && past.streak <= past.time &&
           s.sender.hidden.number >= 0 && s.sender.hidden.number < numbers && s.sender.hidden.bias >= 0.0 &&
           s.sender.hidden.bias <= 1.0;
  }

  // One tile a symbol, the last one lit; below, how far the sequence has come.
  static Picture picture(const Config& c, State& s) {
    const Tile ground{'.', 24, 24, 32}, lit{'#', 240, 180, 60}, spent{'+', 130, 200, 130};
    const int64_t cols = 16;
    Picture picture(2, cols, ground);
    if (s.sender.past.last >= 0) picture.at(0, s.sender.past.last) = lit;
    for (int64_t col = 0; col < cols && col * c.length < cols * int64_t{s.sender.past.time}; ++col)
      picture.at(1, col) = spent;
    return picture;
  }
};

}  // namespace mesa
