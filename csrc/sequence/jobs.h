// Sequences by the batch: symbol t of sequence i is what the world's slot of that number shows after step t. Memory is
// the caller's; what is not asked for is null.
#pragma once
#include "filter.h"

#define MESA_SEQUENCE_JOBS(X) X(GenerateSequences)

namespace mesa::sequence {

struct GenerateSequences {
  static constexpr int64_t kMostAtOnce = 64;
  SequenceLaw law;
  int64_t length;
  uint64_t seed, first;            // number of sequence 0
  const uint32_t* tables;          // [tasks, rows, symbols] by draw_tables; needed for the filter where there are tasks
  uint8_t* symbols;                // [count, length]
  float *filter, *oracle;          // [count, length, symbols]: chances before each symbol came
  float *filter_log, *oracle_log;  // [count, length]: logarithm of the chance of what came
  int32_t* hidden;                 // [count, length]: regime, or task

  MESA_HD bool filters() const { return filter || filter_log; }
  MESA_HD bool watches() const { return filters() || oracle || oracle_log || hidden; }
  MESA_HD int64_t scratch_bytes(int) const {
    int64_t bytes = Scratch::bytes_for<uint8_t>(law.table_bytes());
    if (filters())
      bytes += Scratch::bytes_for<double>(Filter::num_weights(law, length)) +
               Scratch::bytes_for<int32_t>(Filter::num_counts(law, length));
    return bytes;
  }
  template <int kLanes>
  MESA_HD void run(int64_t begin, int64_t end, Scratch scratch) const {
    auto* table = reinterpret_cast<uint32_t*>(scratch.take<uint8_t>(law.table_bytes()));
    Filter of{law, nullptr, nullptr, tables};
    if (filters()) {
      of.weights = scratch.take<double>(Filter::num_weights(law, length));
      of.counts = scratch.take<int32_t>(Filter::num_counts(law, length));
    }
    for (int64_t i = begin; i < end; ++i) {
      const Key key = numbered_key(seed, first + static_cast<uint64_t>(i));
      if (watches()) {
        watch(key, of, table, i * length);
      } else {
        write(key, table, symbols + i * length);
      }
    }
  }

  MESA_HD void write(const Key& key, uint32_t* table, uint8_t* out) const {
    const SequenceLaw own = law;
    Sender sender;
    sender.begin(own, key, table);
    for (int64_t t = 0; t < length; ++t) out[t] = static_cast<uint8_t>(sender.send(own, key, table));
  }
  MESA_HD void watch(const Key& key, const Filter& of, uint32_t* table, int64_t row) const {
    const int32_t num_symbols = law.num_symbols();
    Sender sender;
    sender.begin(law, key, table);
    if (filters()) of.begin();
    for (int64_t at = row; at < row + length; ++at) {
      double known[kMostSymbols], told[kMostSymbols];
      const Past past = sender.past;
      if (filters()) of.predict(past, known);
      sender.chances(law, table, told);
      if (hidden) hidden[at] = number_shown(law, sender.hidden);
      const int32_t symbol = sender.send(law, key, table);
      symbols[at] = static_cast<uint8_t>(symbol);
      if (filters()) of.update(past, symbol);
      for (int32_t k = 0; k < num_symbols; ++k) {
        if (filter) filter[at * num_symbols + k] = static_cast<float>(known[k]);
        if (oracle) oracle[at * num_symbols + k] = static_cast<float>(told[k]);
      }
      if (filter_log) filter_log[at] = static_cast<float>(portable_log(known[symbol]));
      if (oracle_log) oracle_log[at] = static_cast<float>(portable_log(told[symbol]));
    }
  }
};

}  // namespace mesa::sequence
