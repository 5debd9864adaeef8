// Optimal tours by depth-first branch and bound on minimum 1-trees (Held and Karp 1971; Volgenant and Jonker 1982),
// with the filtering of Benchimol et al. 2012: connections whose marginal cost is too high go, those whose replacement
// cost is too high must stay, degrees and subtours propagate. Bounds are exact whole numbers; a branch is closed only
// when no tour in it is shorter, in fine units, than the best one known. One instance a group of lanes.
#pragma once
#include "local_search.h"
#include "one_tree.h"

namespace mesa {

// How hard a search tries. Everything counts iterations, nothing a clock.
struct SearchEffort {
  int32_t root_ascent, child_ascent, probe_ascent;  // 1-trees at the root, in a child, in a probe
  int32_t probes;                                   // connections tried before one is branched on
  int32_t rounds;                                   // of ascent and filtering at the root
  int64_t node_limit;

  MESA_HD static SearchEffort for_cities(int32_t n, int64_t node_limit) {
    SearchEffort e{60, 10, 6, 4, 6, node_limit};
    if (n > 30) e.root_ascent = n <= 60 ? 3 * n : 5 * n;
    if (n <= 30) e.probes = 2;
    return e;
  }
};

// What a search does, for models that learn from it; bounds and lengths in the distances given.
enum class TraceKind : int32_t {
  kBound = 0,    // a node's bound, once it is as tight as it gets; the node stays open
  kClosed = 1,   // a node, closed: nothing shorter is in it (value: its last bound, or 0)
  kExclude = 2,  // down to the child without the connection a, b
  kInclude = 3,  // down to the child with it
  kTour = 4,     // a shorter tour (value: its length)
};
struct TraceEvent {
  int32_t kind, depth, a, b;
  double value;
};
struct Trace {
  TraceEvent* events;  // null: nothing is recorded
  int64_t capacity;    // events beyond it are counted, not kept
  int64_t* count;
};

struct SearchCounts {
  int64_t nodes = 0, one_trees = 0, cuts = 0;
};

class BranchAndBound {
 public:
  MESA_HD static int64_t bytes(int32_t n) {
    const int32_t stride = Distances::stride_of(n), cells = n * stride;
    return Scratch::bytes_for<uint32_t>(cells) + Scratch::bytes_for<uint16_t>(cells) + 2 * OneTree::bytes(n) +
           5 * Scratch::bytes_for<int32_t>(stride) + Scratch::bytes_for<int32_t>(int64_t{n} * n) +
           Scratch::bytes_for<uint8_t>(4 * n) + Scratch::bytes_for<uint8_t>(cells) +
           4 * Scratch::bytes_for<uint8_t>(n) + Scratch::bytes_for<Mark>(trail_capacity(n)) +
           Scratch::bytes_for<Frame>(max_depth(n)) + Scratch::bytes_for<int32_t>(int64_t{kept_levels(n)} * stride) +
           Scratch::bytes_for<State>(1) + Scratch::bytes_for<uint16_t>(kLogged * n);
  }

  // stop: set from outside to end early, as the node limit does; null: never.
  MESA_HD BranchAndBound(const Distances& distances, const SearchEffort& search_effort, const uint8_t* stop_flag,
                         const Trace& recorded, Scratch& scratch)
      : d(distances),
        effort(search_effort),
        n(distances.n),
        stride(distances.stride),
        stop(stop_flag),
        record(recorded) {
    r = {n, stride, scratch.take<uint32_t>(int64_t{n} * stride), nullptr, nullptr};
    used = scratch.take<uint16_t>(int64_t{n} * stride);
    tree = OneTree::in(n, scratch);
    best_tree = OneTree::in(n, scratch);
    pi = scratch.take<int32_t>(stride);
    best_pi = scratch.take<int32_t>(stride);
    direction = scratch.take<int32_t>(stride);
    start_pi = scratch.take<int32_t>(stride);
    root_pi = scratch.take<int32_t>(stride);
    bottleneck = scratch.take<int32_t>(int64_t{n} * n);
    r.forced_count = scratch.take<uint8_t>(4 * n);
    r.forced = r.forced_count + n;
    other_end = r.forced_count + 3 * n;
    neighbour = scratch.take<uint8_t>(int64_t{n} * stride);
    neighbours = scratch.take<uint8_t>(n);
    allowed = scratch.take<uint8_t>(n);
    rank = scratch.take<uint8_t>(n);
    tour = scratch.take<uint8_t>(n);
    trail = scratch.take<Mark>(trail_capacity(n));
    frames = scratch.take<Frame>(max_depth(n));
    frame_pi = scratch.take<int32_t>(int64_t{kept_levels(n)} * stride);
    s = scratch.take<State>(1);
    log = scratch.take<uint16_t>(kLogged * n);
  }

  // Improves best [n] to an optimal tour, or as far as the node limit goes. Returns a lower bound in fine units: the
  // tour's own length if it is proved optimal.
  template <class Lanes>
  MESA_HD_LARGE int64_t solve(const Lanes& lanes, uint8_t* best, SearchCounts& counts) {
    for (int32_t i = lanes.lane(); i < n * stride; i += lanes.size()) {
      const int32_t row = i / stride, col = i - row * stride;
      r.distance[i] = static_cast<uint32_t>(row == col || col >= n ? kExcluded : d.coarse[i]) << 8;
      used[i] = 0;
    }
    for (int32_t v = lanes.lane(); v < stride; v += lanes.size()) pi[v] = direction[v] = 0;
    lanes.once([&] {
      *s = State{};
      shorter(best);
      s->node_limit = effort.node_limit;
      for (int32_t v = 0; v < n; ++v) {
        r.forced_count[v] = 0;
        other_end[v] = static_cast<uint8_t>(v);
      }
      return 0;
    });
    const int64_t bound = search(lanes) ? s->best_length : fine_from(s->root_bound);
    for (int32_t i = lanes.lane(); i < n; i += lanes.size()) best[i] = tour[i];
    lanes.sync();
    counts.nodes += s->nodes;
    counts.one_trees += s->one_trees;
    return bound;
  }

  // value: in fine units.
  MESA_HD void note(TraceKind kind, int32_t depth, int32_t a, int32_t b, int64_t value) const {
    if (record.events == nullptr) return;
    const int64_t at = (*record.count)++;
    if (at < record.capacity)
      record.events[at] = {static_cast<int32_t>(kind), depth, a, b,
                           scaled(static_cast<double>(value), -d.fine_exponent)};
  }
  MESA_HD int64_t fine_from(int64_t coarse) const {
    if (d.coarse_shift <= 0) return coarse * (int64_t{1} << -d.coarse_shift);
    const int64_t unit = int64_t{1} << d.coarse_shift;
    return coarse <= 0 ? 0 : (coarse + unit - 1) / unit;
  }
  // After a search the node limit ended: the root as it was filtered. What is not listed, or excluded, is in no shorter
  // tour.
  template <class F>
  MESA_HD void for_each_left(const F& f) const {
    for (int32_t a = 0; a < n; ++a) {
      for (int32_t k = 0; k < neighbours[a]; ++k) {
        const int32_t b = neighbour[a * stride + k];
        if (a < b && !r.excluded(a, b)) f(a, b, r.is_forced(a, b));
      }
    }
  }
  MESA_HD const int32_t* multipliers() const { return root_pi; }
  MESA_HD int64_t root_bound() const { return s->root_bound; }
  MESA_HD int64_t best_length() const { return s->best_length; }
  MESA_HD int64_t count_nodes() const { return s->nodes; }
  MESA_HD const uint8_t* best_tour() const { return tour; }
  MESA_HD void offer(const uint8_t* order) {
    if (d.fine_length(order) < s->best_length) shorter(order);
  }
  // Looks, within `nodes` nodes, for a shorter tour under the root's restrictions and more: pairs (a << 8 | b) that
  // must be out, and in. depth: of that place, for the trace. True: the best tour is now at least as short as any of
  // those.
  template <class Lanes>
  MESA_HD_LARGE bool close(const Lanes& lanes, const uint16_t* out, int32_t outs, const uint16_t* in, int32_t ins,
                           int64_t nodes, int32_t depth) {
    const int32_t mark = s->trail;
    const bool possible = lanes.once([&] {
      s->node_limit = s->nodes + nodes;
      s->above = depth;
      for (int32_t k = 0; k < outs; ++k) {
        if (!exclude(out[k] >> 8, out[k] & 255)) return 0;
      }
      for (int32_t k = 0; k < ins; ++k) {
        if (!force(in[k] >> 8, in[k] & 255)) return 0;
      }
      return propagate() ? 1 : 0;
    });
    for (int32_t v = lanes.lane(); v < n; v += lanes.size()) pi[v] = root_pi[v];
    lanes.sync();
    const bool closed = !possible || tighten(lanes, 30, 192, 3, n / 8) || descend(lanes);
    lanes.once([&] {
      undo(mark);
      return 0;
    });
    return closed;
  }

 private:
  static constexpr int32_t kLogged = 32;  // 1-trees remembered for choosing what to branch on

  struct Mark {         // one thing to undo
    uint32_t distance;  // what an excluded connection had; 0: one that was forced
    uint8_t a, b, end_a, end_b;
  };
  struct Frame {  // one node on the way down
    int32_t trail;
    uint8_t a, b;
    bool second;  // the second of its two branches is being looked at
  };
  struct State {
    int64_t best_length, threshold;  // the best tour, fine; what a coarse bound must exceed to close a branch
    int64_t bound, root_bound;       // of the last ascent, and of the root's, coarse
    int64_t nodes, one_trees, node_limit;
    int32_t trail, forced, logged;
    int32_t depth, above;  // of the node below where this search began, and of that place in a larger search
    uint8_t branch_a, branch_b;
  };

  MESA_HD static int32_t trail_capacity(int32_t n) { return n * (n - 1) / 2 + 2 * n; }
  // A level fixes a connection, of which there are n (n - 1) / 2; below kept_levels(n) multipliers are kept a level
  // each.
  MESA_HD static int32_t max_depth(int32_t n) { return n * (n - 1) / 2 + 1; }
  MESA_HD static int32_t kept_levels(int32_t n) { return 4 * n; }

  const Distances& d;
  const SearchEffort effort;
  const int32_t n, stride;
  const uint8_t* stop;
  const Trace record;
  Restrictions r;
  uint16_t* used;  // [n, stride]: how many of the logged 1-trees use a connection
  OneTree tree, best_tree;
  int32_t *pi, *best_pi, *direction, *start_pi, *root_pi;  // [stride]
  int32_t* bottleneck;                                     // [n, n]: by rank of arrival in the tree
  uint8_t* other_end;                                      // of the forced path a city ends
  uint8_t *neighbour, *neighbours;                         // [n, stride], [n]: connections left by the root's filtering
  uint8_t* allowed;                                        // [n]: of these, not excluded
  uint8_t *rank, *tour;
  Mark* trail;
  Frame* frames;
  int32_t* frame_pi;
  State* s;
  uint16_t* log;

  // ---- what is forced and excluded, and how it is undone. False: no tour is left.

  MESA_HD bool exclude(int32_t a, int32_t b) {
    if (r.excluded(a, b)) return true;
    if (r.is_forced(a, b)) return false;
    trail[s->trail++] = {r.at(a, b), static_cast<uint8_t>(a), static_cast<uint8_t>(b), 0, 0};
    r.at(a, b) = r.at(b, a) = static_cast<uint32_t>(kExcluded) << 8;
    --allowed[a];
    --allowed[b];
    return true;
  }
  MESA_HD bool force(int32_t a, int32_t b) {
    if (r.is_forced(a, b)) return true;
    const int32_t end_a = other_end[a], end_b = other_end[b];
    const bool closes = end_a == b && s->forced != n - 1;
    if (r.excluded(a, b) || r.forced_count[a] == 2 || r.forced_count[b] == 2 || closes) return false;
    trail[s->trail++] = {0, static_cast<uint8_t>(a), static_cast<uint8_t>(b), static_cast<uint8_t>(end_a),
                         static_cast<uint8_t>(end_b)};
    r.forced[2 * a + r.forced_count[a]++] = static_cast<uint8_t>(b);
    r.forced[2 * b + r.forced_count[b]++] = static_cast<uint8_t>(a);
    other_end[end_a] = static_cast<uint8_t>(end_b);
    other_end[end_b] = static_cast<uint8_t>(end_a);
    ++s->forced;
    // The path's ends must not meet before every city is on it.
    return s->forced >= n - 1 || r.is_forced(end_a, end_b) || exclude(end_a, end_b);
  }
  MESA_HD_LARGE void undo(int32_t mark) {
    while (s->trail > mark) {
      const Mark m = trail[--s->trail];
      if (m.distance != 0 || !r.is_forced(m.a, m.b)) {
        r.at(m.a, m.b) = r.at(m.b, m.a) = m.distance;
        ++allowed[m.a];
        ++allowed[m.b];
      } else {
        --r.forced_count[m.a];
        --r.forced_count[m.b];
        other_end[m.end_a] = m.a;
        other_end[m.end_b] = m.b;
        --s->forced;
      }
    }
  }
  // A city with two forced connections has no other; one with two left has both.
  MESA_HD_LARGE bool propagate() {
    for (int32_t before = -1; before != s->trail;) {
      before = s->trail;
      for (int32_t v = 0; v < n; ++v) {
        if (allowed[v] < 2) return false;
        const bool full = r.forced_count[v] == 2;
        if (full ? allowed[v] == 2 : allowed[v] > 2) continue;
        for (int32_t k = 0; k < neighbours[v]; ++k) {
          const int32_t u = neighbour[v * stride + k];
          if (r.excluded(v, u) || r.is_forced(v, u)) continue;
          if (!(full ? exclude(v, u) : force(v, u))) return false;
        }
      }
    }
    return true;
  }

  // ---- bounds

  MESA_HD int32_t weight(int32_t a, int32_t b) const { return r.of(a, b) + pi[a] + pi[b]; }

  MESA_HD void shorter(const uint8_t* order) {
    s->best_length = d.fine_length(order);
    s->threshold = d.threshold(s->best_length);
    for (int32_t i = 0; i < n; ++i) tour[i] = order[i];
    note(TraceKind::kTour, s->above + s->depth, 0, 0, s->best_length);
  }

  // The 1-tree's cities in the order of the tour it is.
  MESA_HD_LARGE void read_tour(uint8_t* order) const {
    uint8_t next[2 * kMaxCities], count[kMaxCities];
    for (int32_t v = 0; v < n; ++v) count[v] = 0;
    const auto join = [&](int32_t a, int32_t b) {
      next[2 * a + count[a]++] = static_cast<uint8_t>(b);
      next[2 * b + count[b]++] = static_cast<uint8_t>(a);
    };
    for (int32_t k = 1; k < n - 1; ++k) join(tree.order[k], tree.parent[tree.order[k]]);
    for (int32_t k = 0; k < 2; ++k) join(n - 1, tree.ends[k]);
    int32_t at = 0, from = -1;
    for (int32_t i = 0; i < n; ++i) {
      order[i] = static_cast<uint8_t>(at);
      const int32_t to = next[2 * at] == from ? next[2 * at + 1] : next[2 * at];
      from = at;
      at = to;
    }
  }

  // The bound of the minimum 1-tree in fine units under the multipliers as they are: Prim's algorithm once more,
  // slowly.
  MESA_HD_LARGE int64_t fine_bound() const {
    const int32_t shift = d.coarse_shift < 0 ? -d.coarse_shift : 0;
    int64_t key[kMaxCities];
    int64_t total = 0;
    const int64_t reached = (int64_t{1} << 62) + 1, far = int64_t{1} << 62;
    const auto fine_weight = [&](int32_t a, int32_t b) {
      return r.excluded(a, b) ? far : d.fine_of(a, b) + (static_cast<int64_t>(pi[a]) + pi[b]) * (int64_t{1} << shift);
    };
    for (int32_t v = 0; v < n; ++v) {
      key[v] = far;
      total -= 2 * static_cast<int64_t>(pi[v]) * (int64_t{1} << shift);
    }
    const int32_t special = n - 1;
    int32_t last = 0;
    key[0] = reached;
    for (int32_t k = 1; k < special; ++k) {
      int32_t next = -1;
      bool is_forced = false;
      for (int32_t v = 0; v < special; ++v) {
        if (key[v] == reached) continue;
        const int64_t w = fine_weight(last, v);
        if (w < key[v]) key[v] = w;
        bool here = false;
        for (int32_t m = 0; m < r.forced_count[v]; ++m) {
          const int32_t u = r.forced[2 * v + m];
          here = here || (u != special && key[u] == reached);
        }
        if (next < 0 || (here && !is_forced) || (here == is_forced && key[v] < key[next])) {
          next = v;
          is_forced = here;
        }
      }
      if (is_forced) {
        for (int32_t m = 0; m < r.forced_count[next]; ++m) {
          const int32_t u = r.forced[2 * next + m];
          if (u != special && key[u] == reached) key[next] = fine_weight(u, next);
        }
      }
      if (key[next] == far) return far;
      total += key[next];
      key[next] = reached;
      last = next;
    }
    int32_t taken = -1;
    for (int32_t k = 0; k < 2; ++k) {
      int32_t end = k < r.forced_count[special] ? r.forced[2 * special + k] : -1;
      if (end < 0) {
        for (int32_t v = 0; v < special; ++v) {
          if (v != taken && (end < 0 || fine_weight(special, v) < fine_weight(special, end))) end = v;
        }
      }
      if (fine_weight(special, end) == far) return far;
      total += fine_weight(special, end);
      taken = end;
    }
    return total;
  }

  // Subgradient ascent from the multipliers as they are, to the best ones met, with their tree in best_tree (Polyak
  // 1969's step, damped as by Volgenant and Jonker 1982). `damping` in 1/256. True: no tour left here is shorter than
  // the best.
  template <class Lanes>
  MESA_HD_LARGE bool ascend(const Lanes& lanes, int32_t iterations, int32_t damping, bool logs) {
    int64_t best = -(int64_t{1} << 60);
    bool tours = false;
    int32_t made = 0;
    while (made < iterations && !tours) {
      const int32_t k = made++;
      const int64_t bound = minimum_one_tree(lanes, r, pi, tree);
      if (bound > s->threshold) {
        lanes.once([&] { return s->one_trees += made; });
        return true;
      }
      int64_t norm = 0;
      for (int32_t v = lanes.lane(); v < n; v += lanes.size()) {
        const int32_t excess = tree.degree[v] - 2;
        norm += excess * excess;
      }
      norm = lanes.sum(norm);
      tours = norm == 0;
      if (bound > best || tours) {
        best = bound;
        for (int32_t v = lanes.lane(); v < n; v += lanes.size()) {
          best_pi[v] = pi[v];
          best_tree.parent[v] = tree.parent[v];
          best_tree.order[v] = tree.order[v];
        }
        best_tree.ends[0] = tree.ends[0];
        best_tree.ends[1] = tree.ends[1];
      }
      if (logs && (tours || iterations - k <= kLogged)) {
        lanes.once([&] {
          uint16_t* to = log + (s->logged++ % kLogged) * n;
          for (int32_t i = 1; i < n - 1; ++i) {
            const int32_t v = tree.order[i];
            to[i - 1] = static_cast<uint16_t>(v * 256 + tree.parent[v]);
          }
          to[n - 2] = static_cast<uint16_t>((n - 1) * 256 + tree.ends[0]);
          to[n - 1] = static_cast<uint16_t>((n - 1) * 256 + tree.ends[1]);
          return 0;
        });
      }
      if (tours) break;
      const int64_t step = ((s->threshold - bound + 1) * damping / norm) >> 8;
      for (int32_t v = lanes.lane(); v < n; v += lanes.size()) {
        const int32_t excess = tree.degree[v] - 2;
        const int64_t move = step * (7 * excess + 3 * direction[v]) / 10;
        direction[v] = excess;
        int64_t to = pi[v] + move;
        to = to > kMostMultiplier ? kMostMultiplier : to < -kMostMultiplier ? -kMostMultiplier : to;
        pi[v] = static_cast<int32_t>(to);
      }
      lanes.sync();
      if (iterations > 20) damping -= damping / 64;
    }
    for (int32_t v = lanes.lane(); v < n; v += lanes.size()) pi[v] = best_pi[v];
    lanes.sync();
    return lanes.once([&] {
      s->one_trees += made;
      s->bound = best;
      if (tours) {
        uint8_t order[kMaxCities];
        read_tour(order);
        if (d.fine_length(order) < s->best_length) shorter(order);
      }
      if (best > s->threshold) return 1;
      const bool close = d.coarse_shift < 0 && best + n + 2 > s->threshold;
      return close && fine_bound() > d.fine_threshold(s->best_length) ? 1 : 0;
    });
  }

  // ---- filtering by the tree of the last ascent

  // bottleneck[i, j]: the heaviest connection that is not forced on the tree's way between its i-th and j-th city, j <
  // i.
  template <class Lanes>
  MESA_HD_LARGE void find_bottlenecks(const Lanes& lanes) {
    const int32_t none = -(1 << 30);
    for (int32_t i = lanes.lane(); i < n - 1; i += lanes.size()) rank[best_tree.order[i]] = static_cast<uint8_t>(i);
    lanes.sync();
    for (int32_t i = 0; i < n - 1; ++i) {
      const int32_t v = best_tree.order[i], p = best_tree.parent[v], up = rank[p];
      const int32_t w = i == 0 || r.is_forced(v, p) ? none : weight(v, p);
      int32_t* __restrict row = bottleneck + i * n;
      const int32_t* __restrict above = bottleneck + up * n;
      for (int32_t j = lanes.lane(); j <= i; j += lanes.size()) {
        // Of the pair (up, j) the later one's row holds it.
        const int32_t so_far = i == 0 || j == i ? none : j <= up ? above[j] : bottleneck[j * n + up];
        row[j] = j == i ? none : so_far > w ? so_far : w;
      }
      lanes.sync();
    }
  }
  MESA_HD int32_t between(int32_t a, int32_t b) const {
    const int32_t i = rank[a], j = rank[b];
    return i > j ? bottleneck[i * n + j] : bottleneck[j * n + i];
  }
  MESA_HD bool in_tree(int32_t a, int32_t b) const {
    if (a == n - 1 || b == n - 1) {
      const int32_t end = a == n - 1 ? b : a;
      return best_tree.ends[0] == end || best_tree.ends[1] == end;
    }
    return (rank[a] > 0 && best_tree.parent[a] == b) || (rank[b] > 0 && best_tree.parent[b] == a);
  }
  // What the 1-tree would cost more if it had to use the connection, which is not in it.
  MESA_HD int32_t marginal_cost(int32_t a, int32_t b) const {
    if (a != n - 1 && b != n - 1) return weight(a, b) - between(a, b);
    const int32_t first = best_tree.ends[0], second = best_tree.ends[1];
    const bool second_stays = r.is_forced(n - 1, second);
    return weight(a, b) - weight(n - 1, second_stays ? first : second);
  }

  // The root's first filtering, over every connection; what is left is listed.
  MESA_HD_LARGE bool filter_all() {
    for (int32_t a = 0; a < n; ++a) neighbours[a] = 0;
    for (int32_t a = 0; a < n; ++a) {
      for (int32_t b = a + 1; b < n; ++b) {
        if (!in_tree(a, b) && s->bound + marginal_cost(a, b) > s->threshold) {
          r.at(a, b) = r.at(b, a) = static_cast<uint32_t>(kExcluded) << 8;
        } else {
          neighbour[a * stride + neighbours[a]++] = static_cast<uint8_t>(b);
          neighbour[b * stride + neighbours[b]++] = static_cast<uint8_t>(a);
        }
      }
    }
    for (int32_t a = 0; a < n; ++a) allowed[a] = neighbours[a];
    return force_needed() && propagate();
  }
  MESA_HD_LARGE bool filter_left() {
    for (int32_t a = 0; a < n; ++a) {
      for (int32_t k = 0; k < neighbours[a]; ++k) {
        const int32_t b = neighbour[a * stride + k];
        if (b < a || r.excluded(a, b) || in_tree(a, b)) continue;
        if (s->bound + marginal_cost(a, b) > s->threshold && !exclude(a, b)) return false;
      }
    }
    return force_needed() && propagate();
  }
  // Forces what the 1-tree cannot do without.
  MESA_HD_LARGE bool force_needed() {
    const int32_t none = 1 << 30;
    int32_t replacement[kMaxCities], third = none;
    for (int32_t v = 0; v < n; ++v) replacement[v] = none;
    for (int32_t a = 0; a < n; ++a) {
      for (int32_t k = 0; k < neighbours[a]; ++k) {
        const int32_t b = neighbour[a * stride + k];
        if (b < a || r.excluded(a, b) || in_tree(a, b)) continue;
        const int32_t w = weight(a, b);
        if (b == n - 1) {
          third = w < third ? w : third;
          continue;
        }
        for (int32_t x = a, y = b; x != y;) {
          int32_t& lower = rank[x] > rank[y] ? x : y;
          if (w < replacement[lower]) replacement[lower] = w;
          lower = best_tree.parent[lower];
        }
      }
    }
    for (int32_t i = 1; i < n - 1; ++i) {
      const int32_t v = best_tree.order[i], p = best_tree.parent[v];
      if (r.is_forced(v, p)) continue;
      const bool needed = replacement[v] == none || s->bound + replacement[v] - weight(v, p) > s->threshold;
      if (needed && !force(v, p)) return false;
    }
    for (int32_t k = 0; k < 2; ++k) {
      const int32_t end = best_tree.ends[k];
      if (r.is_forced(n - 1, end)) continue;
      const bool needed = third == none || s->bound + third - weight(n - 1, end) > s->threshold;
      if (needed && !force(n - 1, end)) return false;
    }
    return true;
  }

  // ---- the search

  // Ascends and filters until little changes. True: nothing better is left here.
  template <class Lanes>
  MESA_HD_LARGE bool tighten(const Lanes& lanes, int32_t iterations, int32_t damping, int32_t rounds, int32_t enough) {
    lanes.once([&] { return s->logged = 0; });
    for (int32_t k = 0; k < rounds; ++k) {
      if (ascend(lanes, iterations, damping, true)) return true;
      find_bottlenecks(lanes);
      const int32_t before = s->trail;
      if (!lanes.once([&] { return filter_left() ? 1 : 0; })) return true;
      if (s->trail - before <= enough) break;
    }
    return false;
  }

  // What the node's 1-trees disagree on most, tried both ways; 0: nothing is left, 1: branch, 2: one way is closed
  // and the other taken, look again.
  template <class Lanes>
  MESA_HD_LARGE int32_t choose(const Lanes& lanes) {
    uint16_t candidates[8];
    const int32_t count = static_cast<int32_t>(lanes.once([&] { return most_divided(candidates, effort.probes); }));
    for (int32_t v = lanes.lane(); v < n; v += lanes.size()) start_pi[v] = pi[v];
    lanes.sync();
    if (count == 0) {  // every connection is settled: the one tour left may not have been met yet
      lanes.once([&] {
        take_settled();
        return 0;
      });
      return 0;
    }
    const int64_t here = s->bound, closed = int64_t{1} << 60;
    int64_t best_score = -1;
    for (int32_t k = 0; k < count; ++k) {
      const int32_t pair = static_cast<int32_t>(lanes.once([&] { return int64_t{candidates[k]}; }));
      const int32_t a = pair >> 8, b = pair & 255;
      int64_t bounds[2];
      for (int32_t side = 0; side < 2 && effort.probe_ascent > 0; ++side) {
        const int32_t mark = s->trail;
        bounds[side] = closed;
        if (lanes.once([&] { return take(a, b, side) ? 1 : 0; }) && !ascend(lanes, effort.probe_ascent, 128, false)) {
          bounds[side] = s->bound;
        }
        lanes.once([&] {
          undo(mark);
          return 0;
        });
        for (int32_t v = lanes.lane(); v < n; v += lanes.size()) pi[v] = start_pi[v];
        lanes.sync();
      }
      if (bounds[0] == closed && bounds[1] == closed) return 0;
      if (bounds[0] == closed || bounds[1] == closed) {
        return lanes.once([&] { return take(a, b, bounds[0] == closed ? 1 : 0) ? 1 : 0; }) ? 2 : 0;
      }
      const int64_t low = (bounds[0] < bounds[1] ? bounds[0] : bounds[1]) - here;
      const int64_t high = (bounds[0] < bounds[1] ? bounds[1] : bounds[0]) - here;
      const int64_t score = 3 * (low > 0 ? low : 0) + (high > 0 ? high : 0);
      if (score > best_score) {
        best_score = score;
        lanes.once([&] {
          s->branch_a = static_cast<uint8_t>(a);
          s->branch_b = static_cast<uint8_t>(b);
          return 0;
        });
      }
    }
    return 1;
  }
  MESA_HD bool take(int32_t a, int32_t b, int32_t side) {
    return (side == 0 ? exclude(a, b) : force(a, b)) && propagate();
  }

  // The one tour left where every connection is forced or excluded. Where the filtering after the last ascent settled
  // it, no 1-tree was made of it.
  MESA_HD void take_settled() {
    uint8_t order[kMaxCities];
    int32_t at = 0, from = -1;
    for (int32_t i = 0; i < n; ++i) {
      order[i] = static_cast<uint8_t>(at);
      const int32_t to = r.forced[2 * at] == from ? r.forced[2 * at + 1] : r.forced[2 * at];
      from = at;
      at = to;
    }
    offer(order);
  }

  // Connections the logged 1-trees use about half the time, the most divided first; at least one.
  MESA_HD_LARGE int32_t most_divided(uint16_t* candidates, int32_t wanted) {
    const int32_t trees = s->logged < kLogged ? s->logged : kLogged;
    for (int32_t i = 0; i < trees * n; ++i) ++used[(log[i] >> 8) * stride + (log[i] & 255)];
    int32_t value[8], count = 0;
    for (int32_t i = 0; i < trees * n; ++i) {
      const int32_t a = log[i] >> 8, b = log[i] & 255;
      const int32_t uses = used[a * stride + b] + used[b * stride + a];
      if (uses == 0) continue;
      used[a * stride + b] = used[b * stride + a] = 0;
      if (r.excluded(a, b) || r.is_forced(a, b)) continue;
      const int32_t uneven = 2 * uses > trees ? 2 * uses - trees : trees - 2 * uses;
      if (count == wanted && uneven >= value[count - 1]) continue;
      int32_t at = count < wanted ? count++ : count - 1;
      for (; at > 0 && value[at - 1] > uneven; --at) {
        value[at] = value[at - 1];
        candidates[at] = candidates[at - 1];
      }
      value[at] = uneven;
      candidates[at] = log[i];
    }
    for (int32_t v = 0; v < n && count == 0; ++v) {  // every 1-tree's connections are settled: any other
      for (int32_t k = 0; k < neighbours[v] && count == 0; ++k) {
        const int32_t u = neighbour[v * stride + k];
        if (!r.excluded(v, u) && !r.is_forced(v, u)) candidates[count++] = static_cast<uint16_t>(v * 256 + u);
      }
    }
    return count;
  }

  // True: the best tour is optimal.
  template <class Lanes>
  MESA_HD bool search(const Lanes& lanes) {
    lanes.once([&] { return s->nodes = 1; });
    if (!open_root(lanes)) {
      lanes.once([&] { return conclude(true); });
      return true;
    }
    lanes.once([&] { return conclude(false); });
    for (int32_t v = lanes.lane(); v < n; v += lanes.size()) root_pi[v] = pi[v];
    lanes.once([&] { return s->root_bound = s->bound; });
    return descend(lanes);
  }

  // False: no tour is shorter than the best.
  template <class Lanes>
  MESA_HD bool open_root(const Lanes& lanes) {
    if (ascend(lanes, effort.root_ascent, 512, true)) return false;
    find_bottlenecks(lanes);
    if (!lanes.once([&] { return filter_all() ? 1 : 0; })) return false;
    return !tighten(lanes, effort.root_ascent / 2, 128, effort.rounds, n / 8);
  }
  MESA_HD int64_t conclude(bool closed) const {
    note(closed ? TraceKind::kClosed : TraceKind::kBound, s->above + s->depth, 0, 0, closed ? 0 : fine_from(s->bound));
    return 0;
  }

  // Searches below the node as it stands, which has to be branched on, and comes back to it. True: nothing better is
  // left.
  template <class Lanes>
  MESA_HD_LARGE bool descend(const Lanes& lanes) {
    const int32_t mark = s->trail;
    bool open = true, complete = true;
    for (;;) {
      if (open) {
        if (s->nodes >= s->node_limit || is_raised(stop)) {
          complete = false;
          break;
        }
        const int32_t chosen = choose(lanes);
        if (chosen == 2) {
          open = !tighten(lanes, effort.child_ascent, 192, 3, n / 8);
          continue;
        }
        open = chosen == 1;
        if (!open) lanes.once([&] { return conclude(true); });
        if (open) {
          if (s->depth < kept_levels(n)) {
            for (int32_t v = lanes.lane(); v < n; v += lanes.size()) frame_pi[s->depth * stride + v] = pi[v];
          }
          lanes.sync();
          lanes.once([&] {
            frames[s->depth++] = {s->trail, s->branch_a, s->branch_b, false};
            return 0;
          });
          open = enter(lanes, 0);
          continue;
        }
      }
      while (s->depth > 0 && frames[s->depth - 1].second) lanes.once([&] { return --s->depth; });
      if (s->depth == 0) break;
      open = enter(lanes, 1);
    }
    lanes.once([&] {
      s->depth = 0;
      undo(mark);
      return 0;
    });
    return complete;
  }
  // Goes down the branch of the deepest frame. True: it has to be branched on further.
  template <class Lanes>
  MESA_HD_LARGE bool enter(const Lanes& lanes, int32_t side) {
    const int32_t level = s->depth - 1;
    const bool possible = lanes.once([&] {
      Frame& frame = frames[level];
      undo(frame.trail);
      frame.second = side == 1;
      ++s->nodes;
      note(side == 0 ? TraceKind::kExclude : TraceKind::kInclude, s->above + level, frame.a, frame.b, 0);
      return take(frame.a, frame.b, side) ? 1 : 0;
    });
    const int32_t kept = level < kept_levels(n) ? level : kept_levels(n) - 1;  // or those of an ancestor
    for (int32_t v = lanes.lane(); v < n; v += lanes.size()) pi[v] = frame_pi[kept * stride + v];
    lanes.sync();
    const bool open = possible && !tighten(lanes, effort.child_ascent, 192, 3, n / 8);
    lanes.once([&] { return conclude(!open); });
    return open;
  }
};

}  // namespace mesa
