// 2-opt (Croes 1958), Or-opt (Or 1976) and both together, over neighbour lists, until no move of the kind shortens the
// tour. Lengths are fine units. With every city in the lists the tour is optimal for these moves, of whatever
// distances: a move that gains can be begun at an end of a distance it takes out with one of its partial sums of gains
// above 0 after another (Lin and Kernighan 1973), and every such beginning is tried.
#pragma once
#include "array_tour.h"
#include "distances.h"

namespace mesa {

// Cities by distance from each: the nearest listed in order, ties by number; the rest, if wanted, looked up in the row.
struct NearCities {
  static constexpr int32_t kListed = 12;

  const Distances& d;
  int32_t count;  // listed, a city
  bool all;       // whether others follow
  uint8_t* list;  // [n, count]

  MESA_HD static int64_t bytes(int32_t n) { return Scratch::bytes_for<uint8_t>(int64_t{n} * kMaxCities); }
  // wanted: cities a list; 0: every city is within reach.
  MESA_HD NearCities(const Distances& distances, int32_t wanted, Scratch& scratch)
      : d(distances), all(wanted == 0 || wanted >= distances.n - 1) {
    const int32_t listed = all ? kListed : wanted;
    count = listed < d.n - 1 ? listed : d.n - 1;
    list = scratch.take<uint8_t>(int64_t{d.n} * kMaxCities);
    for (int32_t a = 0; a < d.n; ++a) fill(a, list + a * count);
  }

  // Calls f(c, distance) for the cities nearer to a than `radius`, until there are no more.
  template <class F>
  MESA_HD void within(int32_t a, int64_t radius, const F& f) const {
    const int64_t* row = d.fine + int64_t{a} * d.stride;
    const uint8_t* near = list + a * count;
    for (int32_t k = 0; k < count; ++k) {
      const int32_t c = near[k];
      if (row[c] >= radius) return;
      f(c, row[c]);
    }
    if (!all || count == d.n - 1) return;
    const int32_t last = near[count - 1];
    for (int32_t c = 0; c < d.n; ++c) {
      if (c == a || row[c] >= radius || row[c] < row[last] || (row[c] == row[last] && c <= last)) continue;
      f(c, row[c]);
    }
  }

 private:
  MESA_HD void fill(int32_t a, uint8_t* near) const {
    const int64_t* row = d.fine + int64_t{a} * d.stride;
    int32_t size = 0;
    for (int32_t c = 0; c < d.n; ++c) {
      if (c == a || (size == count && row[c] >= row[near[count - 1]])) continue;
      int32_t at = size < count ? size++ : count - 1;
      for (; at > 0 && row[near[at - 1]] > row[c]; --at) near[at] = near[at - 1];
      near[at] = static_cast<uint8_t>(c);
    }
  }
};

struct Exchanges {
  static constexpr int32_t kSegment = 3;  // cities an Or-opt move takes along

  const Distances& d;
  const NearCities& near;
  bool two_opt, or_opt;
  ArrayTour tour;
  uint8_t *queue, *queued;  // cities to look at: a ring
  int32_t head = 0, waiting = 0;

  MESA_HD static int64_t bytes(int32_t n) { return ArrayTour::bytes(n) + 2 * Scratch::bytes_for<uint8_t>(n); }
  MESA_HD Exchanges(const Distances& distances, const NearCities& cities, bool exchanges, bool insertions,
                    Scratch& scratch)
      : d(distances), near(cities), two_opt(exchanges), or_opt(insertions), tour(distances.n, scratch) {
    queue = scratch.take<uint8_t>(d.n);
    queued = scratch.take<uint8_t>(d.n);
  }

  // Improves `order` in place. Cities are looked at by number, and again when a move has changed their neighbours; each
  // makes its best move as long as one gains. Once none is waiting all are looked at again, until none has a move.
  MESA_HD void run(uint8_t* order) {
    tour.set(order);
    for (int32_t a = 0; a < d.n; ++a) queued[a] = 0;
    bool moved = true;
    while (moved) {
      moved = false;
      for (int32_t a = 0; a < d.n; ++a) push(a);
      while (waiting > 0) {
        const int32_t a = pop();
        for (Move move = best(a); move.gain > 0; move = best(a)) {
          make(move);
          moved = true;
        }
      }
    }
    for (int32_t i = 0; i < d.n; ++i) order[i] = tour.order[i];
  }

 private:
  // 2-opt: of a b … c d makes a c … b d (s, e unused). Or-opt: puts s … e, between p and q, between c and f, s next to
  // c.
  struct Move {
    int64_t gain = 0;
    bool is_two_opt = true;
    uint8_t p = 0, s = 0, e = 0, q = 0, c = 0, f = 0;
  };

  MESA_HD int64_t dist(int32_t a, int32_t b) const { return d.fine_of(a, b); }
  MESA_HD void push(int32_t a) {
    if (queued[a]) return;
    queued[a] = 1;
    const int32_t tail = head + waiting++;
    queue[tail < d.n ? tail : tail - d.n] = static_cast<uint8_t>(a);
  }
  MESA_HD int32_t pop() {
    const int32_t a = queue[head];
    head = head + 1 < d.n ? head + 1 : 0;
    --waiting;
    queued[a] = 0;
    return a;
  }
  MESA_HD void make(const Move& m) {
    if (m.is_two_opt) {
      tour.exchange(m.p, m.s, m.e);
    } else {
      tour.move(m.p, m.s, m.e, m.q, m.c, m.f);
    }
    push(m.p);
    push(m.s);
    push(m.e);
    push(m.q);
    if (m.is_two_opt) return;
    push(m.c);
    push(m.f);
  }

  // The move that gains most among those that begin at a; of equals the first met.
  MESA_HD Move best(int32_t a) const {
    Move found;
    for (int32_t way = 1; way >= 0; --way) {
      const int32_t b = tour.beside(a, way);
      if (two_opt) two_opt_moves(a, b, way, found);
      if (or_opt) {
        segments_from(a, b, way, found);
        segments_into(a, b, found);
      }
    }
    return found;
  }
  // Takes out a b and joins a to a nearer city.
  MESA_HD void two_opt_moves(int32_t a, int32_t b, bool way, Move& found) const {
    const int64_t ab = dist(a, b);
    near.within(a, ab, [&](int32_t c, int64_t ac) {
      const int32_t q = tour.beside(c, way);
      const int64_t gain = ab + dist(c, q) - ac - dist(b, q);
      if (gain > found.gain) found = {gain, true, byte(a), byte(b), byte(c), byte(q), 0, 0};
    });
  }
  // Moves a segment that begins at a, away from its neighbour p, next to a city near a.
  MESA_HD void segments_from(int32_t a, int32_t p, bool way, Move& found) const {
    int32_t e = a;
    for (int32_t length = 1; length <= kSegment && length <= d.n - 3; ++length) {
      if (length > 1) e = tour.beside(e, !way);
      const int32_t q = tour.beside(e, !way);
      const int64_t out = dist(p, a) + dist(e, q) - dist(p, q);
      near.within(a, out > dist(p, a) ? out : dist(p, a), [&](int32_t c, int64_t ac) {
        if (tour.steps(a, c, !way) < length) return;
        for (int32_t side = 1; side >= 0; --side) {
          const int32_t f = tour.beside(c, side);
          if (tour.steps(a, f, !way) < length) continue;
          const int64_t gain = out + dist(c, f) - ac - dist(e, f);
          if (gain > found.gain) found = {gain, false, byte(p), byte(a), byte(e), byte(q), byte(c), byte(f)};
        }
      });
    }
  }
  // Opens a b for a segment that begins at a city near a and goes on either way.
  MESA_HD void segments_into(int32_t a, int32_t b, Move& found) const {
    const int64_t ab = dist(a, b);
    near.within(a, ab, [&](int32_t s, int64_t as) {
      for (int32_t way = 1; way >= 0; --way) {
        const int32_t p = tour.beside(s, !way);
        int32_t e = s;
        for (int32_t length = 1; length <= kSegment && length <= d.n - 3; ++length) {
          if (length > 1) e = tour.beside(e, way);
          if (e == a || e == b) break;
          const int32_t q = tour.beside(e, way);
          const int64_t gain = dist(p, s) + dist(e, q) - dist(p, q) + ab - as - dist(e, b);
          if (gain > found.gain) found = {gain, false, byte(p), byte(s), byte(e), byte(q), byte(a), byte(b)};
        }
      }
    });
  }
  MESA_HD static uint8_t byte(int32_t city) { return static_cast<uint8_t>(city); }
};

}  // namespace mesa
