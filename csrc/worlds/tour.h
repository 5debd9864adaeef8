// Tour: a closed tour of cities in the plane, built city by city: an action names the next one, and costs the length
// added; the last closes the tour. The exact oracle (up to 16 cities) knows which prefixes an optimal tour begins with.
#pragma once
#include "../core/batch.h"
#include "tour/completions.h"

namespace mesa {

struct Tour {
  static constexpr const char* kId = "Tour-v0";
  static constexpr bool kMayBeWide = true;
  enum Start : int32_t { kZero, kRandom };
  enum OnVisited : int32_t { kNext, kStay };

  struct Config : CitiesConfig {
    bool oracle = false;  // set by the engine
    int32_t start = kZero, on_visited = kNext;
    double visited_reward = -1.0;

    MESA_HD bool exact() const { return n <= Completions::kMostCities; }
  };
  template <class Visitor>
  static void options(Visitor& v, Config& c) {
    CitiesConfig::options(v, c, 3);
    v.choice("start", c.start, {"zero", "random"}, "the first city: number 0, or any");
    v.choice("on_visited", c.on_visited, {"next", "stay"},
             "an action that action_mask forbids: taken for the next number it allows, or nothing but a reward");
    v.real("visited_reward", c.visited_reward, -1000.0, 1000.0, "that reward, with on_visited=stay");
  }
  static void check(const Config&) {}
  static void describe(const Config& c, Spec& spec) {
    const double last = c.n - 1, longest = c.longest_tour();
    spec.help = "a tour built city by city, at the cost of its length; the last action also closes it";
    spec.observation = {
        c.coordinates(),
        {"action_mask", Dtype::kBool, {c.n}, 0, 1, 0, "cities that may come next: those not yet visited"},
        {"current", Dtype::kInt32, {1}, 0, last, c.n, "the city reached"},
        {"first", Dtype::kInt32, {1}, 0, last, c.n, "the city the tour began in, and returns to"}};
    spec.oracle = {{"length", Dtype::kFloat32, {1}, 0, longest, 0, "so far"},
                   {"nearest",
                    Dtype::kInt32,
                    {1},
                    -1,
                    last,
                    c.n,
                    "greed's choice: the nearest city not yet visited, the first among equals; -1: none is left"}};
    if (c.exact()) {
      spec.oracle.push_back(
          {"optimal_length", Dtype::kFloat32, {1}, 0, longest, 0, "of a shortest tour; n <= 16 only"});
      spec.oracle.push_back(
          {"gap",
           Dtype::kFloat32,
           {1},
           0,
           kUnbounded,
           0,
           "by what fraction the best tour that begins like this is above the optimal; n <= 16 only"});
      spec.oracle.push_back(
          {"optimal_return", Dtype::kFloat32, {1}, -longest, 0, 0, "reward to come along that tour; n <= 16 only"});
      spec.oracle.push_back(
          {"extendable", Dtype::kBool, {1}, 0, 1, 0, "whether an optimal tour begins like this; n <= 16 only"});
      spec.oracle.push_back(
          {"optimal_actions", Dtype::kBool, {c.n}, 0, 1, 0, "which actions keep the gap as it is; n <= 16 only"});
    }
    for (int32_t city = 0; city < c.n; ++city) spec.actions.push_back("city " + std::to_string(city));
    if (c.on_visited == kStay) spec.max_episode_steps = 4 * int64_t{c.n};
    spec.variants = {{},
                     {{"n", int64_t{3}}, {"start", "random"}},
                     {{"n", int64_t{64}}, {"distribution", "clustered"}, {"clusters", int64_t{7}}},
                     {{"n", int64_t{7}}, {"start", "random"}, {"on_visited", "stay"}, {"visited_reward", -0.25}},
                     {{"n", int64_t{9}}, {"start", "random"}, {"distribution", "clustered"}, {"spread", 0.3}}};
  }

  struct State {
    uint64_t visited;  // bit c: city c
    int32_t length;
    uint8_t count, first, current, unsolved;  // unsolved: the exact oracle has not looked at this task yet
    int32_t optimal;                          // the exact oracle's, else 0
    int32_t unused_too;
  };
  static_assert(sizeof(State) == 24 && std::is_trivially_copyable_v<State>);

  // Tail: the points; the cities in order, as bytes; for the exact oracle, the completions.
  MESA_HD static int64_t order_bytes(const Config& c) { return (int64_t{c.n} + 7) / 8 * 8; }
  MESA_HD static int64_t level_bytes(const Config& c) { return int64_t{c.n} * 8; }
  static Needs needs(const Config& c) {
    Needs needs;
    needs.wide = c.oracle && c.exact();
    return needs;
  }
  static int64_t tail_bytes(const Config& c) {
    return 8 * int64_t{c.n} + order_bytes(c) + (c.oracle && c.exact() ? 4 * Completions::words(c.n) : 0);
  }
  MESA_HD static Point* points(State& s) { return tail_of<Point>(s); }
  MESA_HD static uint8_t* order(const Config& c, State& s) { return tail_of<uint8_t>(s, 8 * int64_t{c.n}); }
  MESA_HD static Completions completions(const Config& c, State& s) {
    return {c.n, s.first, points(s), tail_of<uint32_t>(s, 8 * int64_t{c.n} + order_bytes(c))};
  }
  MESA_HD static uint64_t all(const Config& c) { return ~uint64_t{0} >> (64 - c.n); }

  MESA_HD static void reset(const Config& c, State& s, const Key& key, const uint8_t* level, Scratch) {
    s = State{};
    c.lay_out(key, level, points(s));
    if (c.start == kRandom)
      s.first = static_cast<uint8_t>(Rng(key, Purpose::kPlacement).below(static_cast<uint32_t>(c.n)));
    memset(order(c, s), 0, static_cast<size_t>(order_bytes(c)));
    visit(c, s, s.first);
    s.unsolved = c.oracle && c.exact();
  }
  MESA_HD static void visit(const Config& c, State& s, int32_t city) {
    s.visited |= uint64_t{1} << city;
    s.current = static_cast<uint8_t>(city);
    order(c, s)[s.count++] = s.current;
  }
  MESA_HD static bool ended(const Config& c, const State& s) { return s.count >= c.n; }
  MESA_HD static Outcome step(const Config& c, State& s, int32_t action, const Key&, Scratch) {
    int32_t city = action;
    if (s.visited >> city & 1) {
      if (c.on_visited == kStay) return {static_cast<float>(c.visited_reward), false, false};
      do city = city + 1 < c.n ? city + 1 : 0;
      while (s.visited >> city & 1);
    }
    const Point* at = points(s);
    int32_t added = length_between(at[s.current], at[city]);
    visit(c, s, city);
    const bool closed = ended(c, s);
    if (closed) added += length_between(at[city], at[s.first]);
    s.length += added;
    return {-in_units(added), closed, closed};
  }

  template <class Lanes>
  MESA_HD static void observe(const Config& c, State& s, const Row& row, const Lanes& lanes) {
    c.show(points(s), row.field<float>(0), lanes);
    uint8_t* may = row.field<uint8_t>(1);
    for (int32_t city = lanes.lane(); city < c.n; city += lanes.size()) may[city] = ~s.visited >> city & 1;
    if (!lanes.leads()) return;
    row.field<int32_t>(2)[0] = s.current;
    row.field<int32_t>(3)[0] = s.first;
  }
  MESA_HD static int32_t nearest(const Config& c, State& s) {
    const Point* at = points(s);
    int32_t found = -1;
    int64_t least = 0;
    for (int32_t city = 0; city < c.n; ++city) {
      const int64_t away = squared_distance(at[s.current], at[city]);
      if (s.visited >> city & 1 || (found >= 0 && away >= least)) continue;
      found = city;
      least = away;
    }
    return found;
  }
  template <class Lanes>
  MESA_HD static void oracle(const Config& c, State& s, const Row& row, const Lanes& lanes, Scratch) {
    if (s.unsolved) {
      const uint32_t optimal = completions(c, s).solve(lanes);
      lanes.sync();  // all have seen that it was needed
      if (lanes.leads()) {
        s.optimal = static_cast<int32_t>(optimal);
        s.unsolved = 0;
      }
    }
    if (!lanes.leads()) return;
    row.field<float>(0)[0] = in_units(s.length);
    row.field<int32_t>(1)[0] = nearest(c, s);
    if (!c.exact()) return;
    const Completions ways = completions(c, s);
    const uint64_t left = all(c) & ~s.visited;
    const int32_t to_come = s.count == 1 ? s.optimal : left ? ways.from(s.current, left) : 0;
    row.field<float>(2)[0] = in_units(s.optimal);
    row.field<float>(3)[0] = gap_above(s.length + to_come, s.optimal);
    row.field<float>(4)[0] = -in_units(to_come);
    row.field<uint8_t>(5)[0] = s.length + to_come == s.optimal;
    for (int32_t city = 0; city < c.n; ++city) {
      const uint64_t bit = uint64_t{1} << city;
      row.field<uint8_t>(6)[city] =
          left & bit &&
          length_between(ways.points[s.current], ways.points[city]) + ways.from(city, left & ~bit) == to_come;
    }
  }

  static bool valid(const Config& c, const State& state) {
    State& s = const_cast<State&>(state);
    if (s.count < 1 || s.count > c.n || s.first >= c.n || s.unsolved || s.optimal < 0 || !c.valid(points(s)))
      return false;
    const uint8_t* place = order(c, s);
    uint64_t seen = 0;
    int32_t length = 0;
    for (int32_t i = 0; i < s.count; ++i) {
      if (place[i] >= c.n || seen >> place[i] & 1) return false;
      seen |= uint64_t{1} << place[i];
      if (i > 0) length += length_between(points(s)[place[i - 1]], points(s)[place[i]]);
    }
    if (place[0] != s.first || place[s.count - 1] != s.current || seen != s.visited) return false;
    if (s.count == c.n) length += length_between(points(s)[s.current], points(s)[s.first]);
    return length == s.length;
  }

  static Picture picture(const Config& c, State& s) {
    TourPicture view;
    const Point* at = points(s);
    for (int32_t i = 1; i < s.count; ++i) view.line(at[order(c, s)[i - 1]], at[order(c, s)[i]]);
    if (s.count == c.n) view.line(at[s.current], at[s.first]);
    for (int32_t city = 0; city < c.n; ++city)
      view.mark(at[city], s.visited >> city & 1 ? Tile{'o', 60, 90, 140} : Tile{'x', 190, 190, 180});
    view.mark(at[s.first], {'F', 220, 60, 60});
    view.mark(at[s.current], {'A', 60, 110, 220});
    return view.picture;
  }
};

}  // namespace mesa
