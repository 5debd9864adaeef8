// Tour editing: a closed tour is there from the start, and a fixed number of edits may make it better: 2-opt moves, or
// a position given another city at random. What counts is the best tour so far ("anytime"), or the present one.
#pragma once
#include "../core/batch.h"
#include "tour/completions.h"
#include "tour/starts.h"

namespace mesa {

struct TourEdit {
  static constexpr const char* kId = "TourEdit-v0";
  static constexpr bool kMayBeWide = true;
  enum Moves : int32_t { kTwoOpt, kResample, kBoth };
  enum Accept : int32_t { kAlways, kIfBetter };
  enum Reward : int32_t { kBest, kCurrent };

  struct Config : CitiesConfig {
    bool oracle = false;  // set by the engine
    int32_t initial = TourStarts::kRandom, edits = 50, moves = kBoth, accept = kAlways, reward = kBest;

    MESA_HD bool exact() const { return n <= Completions::kMostCities; }
    MESA_HD int32_t two_opt_moves() const { return moves == kResample ? 0 : n * (n - 3) / 2; }
  };
  template <class Visitor>
  static void options(Visitor& v, Config& c) {
    CitiesConfig::options(v, c, 4);
    v.choice("initial", c.initial, {"random", "nearest", "curve"},
             "the first tour: at random, by the nearest neighbour from city 0, or along Hilbert's curve");
    v.integer("edits", c.edits, 1, 1000000, "edits in an episode");
    v.choice("moves", c.moves, {"two_opt", "resample", "both"},
             "actions: a 2-opt move each, a position to resample each, or the former, then the latter");
    v.choice("accept", c.accept, {"always", "if_better"}, "edits that are made: all, or those that shorten the tour");
    v.choice("reward", c.reward, {"best", "current"},
             "by how much the best tour of the episode became shorter, or by how much the present one did");
  }
  static void check(const Config&) {}
  static void describe(const Config& c, Spec& spec) {
    const double longest = c.longest_tour();
    spec.help = "a tour made better by a fixed number of 2-opt moves and resampled positions";
    spec.observation = {
        c.coordinates(),
        {"tour", Dtype::kInt32, {c.n}, 0, double(c.n - 1), c.n, "the city at each position of the present tour"},
        {"length", Dtype::kFloat32, {1}, 0, longest, 0, "of the present tour"},
        {"best_length", Dtype::kFloat32, {1}, 0, longest, 0, "of the best tour so far"},
        {"edits_left", Dtype::kInt32, {1}, 0, double(c.edits), 0, "edits to come"}};
    spec.oracle = {{"best_tour", Dtype::kInt32, {c.n}, 0, double(c.n - 1), c.n, "the best tour so far"}};
    if (c.two_opt_moves() > 0)
      spec.oracle.push_back({"best_move",
                             Dtype::kInt32,
                             {1},
                             -1,
                             double(c.two_opt_moves() - 1),
                             c.two_opt_moves(),
                             "the 2-opt move that shortens the tour most, the first among equals; -1: none does"});
    if (c.exact()) {
      spec.oracle.push_back(
          {"optimal_length", Dtype::kFloat32, {1}, 0, longest, 0, "of a shortest tour; n <= 16 only"});
      spec.oracle.push_back({"gap",
                             Dtype::kFloat32,
                             {1},
                             0,
                             kUnbounded,
                             0,
                             "by what fraction the present tour is above the optimal; n <= 16 only"});
      spec.oracle.push_back(
          {"best_gap", Dtype::kFloat32, {1}, 0, kUnbounded, 0, "and the best tour so far; n <= 16 only"});
    }
    for (int32_t move = 0; move < c.two_opt_moves(); ++move) {
      const Span span = two_opt_move(c, move);
      spec.actions.push_back("reverse " + std::to_string(span.begin) + " to " + std::to_string(span.end));
    }
    if (c.moves != kTwoOpt)
      for (int32_t place = 0; place < c.n; ++place) spec.actions.push_back("resample " + std::to_string(place));
    spec.variants = {{},
                     {{"n", int64_t{4}}, {"edits", int64_t{9}}, {"reward", "current"}, {"accept", "if_better"}},
                     {{"n", int64_t{64}}, {"initial", "curve"}, {"distribution", "clustered"}, {"moves", "two_opt"}},
                     {{"n", int64_t{8}}, {"initial", "nearest"}, {"moves", "resample"}, {"reward", "current"}},
                     {{"n", int64_t{9}},
                      {"initial", "curve"},
                      {"moves", "two_opt"},
                      {"accept", "if_better"},
                      {"edits", int64_t{20}}}};
  }

  struct State {
    int32_t length, best_length, edits;
    int32_t optimal;  // the exact oracle's, -1 until it has looked at this task; else 0
  };
  static_assert(sizeof(State) == 16 && std::is_trivially_copyable_v<State>);

  // Tail: the points; the tour, as bytes; for the oracle, the best tour and the memory the optimum is found in.
  MESA_HD static int64_t order_bytes(const Config& c) { return (int64_t{c.n} + 7) / 8 * 8; }
  // A level: the points, then the first tour as int32, -1 throughout where `initial` makes it.
  MESA_HD static int64_t level_bytes(const Config& c) { return int64_t{c.n} * 12; }
  static Needs needs(const Config& c) {
    Needs needs;
    needs.wide = c.oracle && c.exact();
    return needs;
  }
  static int64_t tail_bytes(const Config& c) {
    const int64_t bytes = 8 * int64_t{c.n} + order_bytes(c);
    return c.oracle ? bytes + order_bytes(c) + (c.exact() ? 4 * Completions::words(c.n) : 0) : bytes;
  }
  MESA_HD static Point* points(State& s) { return tail_of<Point>(s); }
  MESA_HD static uint8_t* tour(const Config& c, State& s) { return tail_of<uint8_t>(s, 8 * int64_t{c.n}); }
  MESA_HD static uint8_t* best_tour(const Config& c, State& s) { return tour(c, s) + order_bytes(c); }
  MESA_HD static uint32_t* memory(const Config& c, State& s) {
    return tail_of<uint32_t>(s, 8 * int64_t{c.n} + 2 * order_bytes(c));
  }

  MESA_HD static void reset(const Config& c, State& s, const Key& key, const uint8_t* level, Scratch) {
    s = State{};
    c.lay_out(key, level, points(s));
    memset(tour(c, s), 0, static_cast<size_t>(order_bytes(c)));
    const TourStarts starts{c.n, points(s)};
    starts.make(level ? level + 8 * int64_t{c.n} : nullptr, c.initial, key, tour(c, s));
    s.length = s.best_length = length_of(c, s);
    if (!c.oracle) return;
    memcpy(best_tour(c, s), tour(c, s), static_cast<size_t>(order_bytes(c)));
    if (c.exact()) s.optimal = -1;
  }

  MESA_HD static int32_t after(const Config& c, int32_t place) { return place + 1 < c.n ? place + 1 : 0; }
  MESA_HD static int32_t before(const Config& c, int32_t place) { return place > 0 ? place - 1 : c.n - 1; }
  // Between two positions; and from one to the next.
  MESA_HD static int32_t between(const Config& c, State& s, int32_t a, int32_t b) {
    return length_between(points(s)[tour(c, s)[a]], points(s)[tour(c, s)[b]]);
  }
  MESA_HD static int32_t edge(const Config& c, State& s, int32_t place) {
    return between(c, s, place, after(c, place));
  }
  MESA_HD static int32_t length_of(const Config& c, State& s) {
    int32_t sum = 0;
    for (int32_t place = 0; place < c.n; ++place) sum += edge(c, s, place);
    return sum;
  }

  // Positions begin … end, which a 2-opt move reverses.
  struct Span {
    int32_t begin, end;
  };
  // Moves are numbered by the edges (i, i+1) and (j, j+1) they replace, i < j, in lexicographic order; those of
  // neighbouring edges, which would change nothing, are left out.
  MESA_HD static Span two_opt_move(const Config& c, int32_t move) {
    int32_t i = 0, row = c.n - 3;
    while (move >= row) {
      move -= row;
      ++i;
      row = c.n - 2 - i;
    }
    return {i + 1, i + 2 + move};
  }
  MESA_HD static int32_t added_by(const Config& c, State& s, Span span) {
    const int32_t in = before(c, span.begin), out = after(c, span.end);
    return between(c, s, in, span.end) + between(c, s, span.begin, out) - edge(c, s, in) - edge(c, s, span.end);
  }
  MESA_HD static void reverse(const Config& c, State& s, Span span) {
    uint8_t* at = tour(c, s);
    for (int32_t a = span.begin, b = span.end; a < b; ++a, --b) TourStarts::swap(at, a, b);
  }
  // The length of the edges at either of two positions, each once.
  MESA_HD static int32_t edges_at(const Config& c, State& s, int32_t a, int32_t b) {
    int32_t sum = edge(c, s, before(c, a)) + edge(c, s, a);
    if (before(c, b) != a) sum += edge(c, s, before(c, b));
    if (b != before(c, a)) sum += edge(c, s, b);
    return sum;
  }
  MESA_HD static int32_t other_position(const Config& c, const State& s, int32_t place, const Key& key) {
    const Block block = key.block(Purpose::kStep, static_cast<uint32_t>(s.edits));
    const uint64_t word = uint64_t{block.word[0]} << 32 | block.word[1];
    const int32_t other = static_cast<int32_t>(multiply_wide(word, static_cast<uint64_t>(c.n - 1)).high);
    return other + (other >= place);
  }

  // Makes the edit if it is accepted; returns what it added to the length.
  MESA_HD static int32_t edit(const Config& c, State& s, int32_t action, const Key& key) {
    if (action < c.two_opt_moves()) {
      const Span span = two_opt_move(c, action);
      const int32_t added = added_by(c, s, span);
      if (c.accept == kIfBetter && added >= 0) return 0;
      reverse(c, s, span);
      return added;
    }
    const int32_t place = action - c.two_opt_moves(), other = other_position(c, s, place, key);
    const int32_t had = edges_at(c, s, place, other);
    TourStarts::swap(tour(c, s), place, other);
    const int32_t added = edges_at(c, s, place, other) - had;
    if (c.accept != kIfBetter || added < 0) return added;
    TourStarts::swap(tour(c, s), place, other);
    return 0;
  }
  MESA_HD static bool ended(const Config& c, const State& s) { return s.edits >= c.edits; }
  MESA_HD static Outcome step(const Config& c, State& s, int32_t action, const Key& key, Scratch) {
    const int32_t added = edit(c, s, action, key), best = s.best_length;
    ++s.edits;
    s.length += added;
    if (s.length < best) {
      s.best_length = s.length;
      if (c.oracle) memcpy(best_tour(c, s), tour(c, s), static_cast<size_t>(order_bytes(c)));
    }
    const bool over = ended(c, s);
    return {in_units(c.reward == kBest ? best - s.best_length : -added), over, over};
  }

  template <class Lanes>
  MESA_HD static void observe(const Config& c, State& s, const Row& row, const Lanes& lanes) {
    c.show(points(s), row.field<float>(0), lanes);
    for (int32_t place = lanes.lane(); place < c.n; place += lanes.size())
      row.field<int32_t>(1)[place] = tour(c, s)[place];
    if (!lanes.leads()) return;
    row.field<float>(2)[0] = in_units(s.length);
    row.field<float>(3)[0] = in_units(s.best_length);
    row.field<int32_t>(4)[0] = c.edits - s.edits;
  }
  MESA_HD static int32_t best_move(const Config& c, State& s) {
    int32_t found = -1, least = 0;
    for (int32_t move = 0; move < c.two_opt_moves(); ++move) {
      const int32_t added = added_by(c, s, two_opt_move(c, move));
      if (added < least) {
        found = move;
        least = added;
      }
    }
    return found;
  }
  template <class Lanes>
  MESA_HD static void oracle(const Config& c, State& s, const Row& row, const Lanes& lanes, Scratch) {
    if (s.optimal < 0) {
      const uint32_t optimal = Completions{c.n, 0, points(s), memory(c, s)}.solve(lanes);
      lanes.sync();  // all have seen that it was needed
      if (lanes.leads()) s.optimal = static_cast<int32_t>(optimal);
    }
    if (!lanes.leads()) return;
    int field = 0;
    for (int32_t place = 0; place < c.n; ++place) row.field<int32_t>(field)[place] = best_tour(c, s)[place];
    if (c.two_opt_moves() > 0) row.field<int32_t>(++field)[0] = best_move(c, s);
    if (!c.exact()) return;
    row.field<float>(++field)[0] = in_units(s.optimal);
    row.field<float>(++field)[0] = gap_above(s.length, s.optimal);
    row.field<float>(++field)[0] = gap_above(s.best_length, s.optimal);
  }

  static bool is_tour(const Config& c, const uint8_t* tour) {
    uint64_t seen = 0;
    for (int32_t place = 0; place < c.n; ++place)
      if (tour[place] < c.n) seen |= uint64_t{1} << tour[place];
    return seen == ~uint64_t{0} >> (64 - c.n);
  }
  static bool valid(const Config& c, const State& state) {
    State& s = const_cast<State&>(state);
    if (!c.valid(points(s)) || !is_tour(c, tour(c, s)) || (c.oracle && !is_tour(c, best_tour(c, s)))) return false;
    return s.length == length_of(c, s) && s.best_length >= 0 && s.best_length <= s.length && s.optimal >= 0 &&
           s.edits >= 0 && s.edits <= c.edits;
  }

  static Picture picture(const Config& c, State& s) {
    TourPicture view;
    const auto at = [&](int32_t place) { return points(s)[tour(c, s)[place]]; };
    for (int32_t place = 0; place < c.n; ++place) view.line(at(place), at(after(c, place)));
    for (int32_t place = 0; place < c.n; ++place) view.mark(at(place), {'o', 60, 90, 140});
    return view.picture;
  }
};

}  // namespace mesa
