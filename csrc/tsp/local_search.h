// Iterated local search on one tour: Lin-Kernighan chains of flips and Or-opt insertions over neighbour lists, then
// random exchanges of two neighbouring segments (the double bridge of Martin, Otto and Felten 1991, kept local as by
// Johnson and McGeoch 1997), each repaired around its ends and gone on from if the tour is hardly longer. Lengths are
// coarse units; a run is bounded by its number of kicks, never by a clock.
#pragma once
#include "../core/words.h"
#include "array_tour.h"
#include "distances.h"

namespace mesa {

constexpr int32_t kMostNeighbours = 10;

// Nearest cities of each city, nearest first, ties by number; of cities in the same place two, the others last, so that
// there is a way out of the place.
struct Neighbours {
  int32_t count;  // a city
  uint8_t* city;  // [n, count]

  MESA_HD static int64_t bytes(int32_t n) { return Scratch::bytes_for<uint8_t>(int64_t{n} * kMostNeighbours); }
  MESA_HD static Neighbours of(const Distances& d, int32_t wanted, Scratch& scratch) {
    Neighbours result{wanted < d.n - 1 ? wanted : d.n - 1, nullptr};
    const int32_t count = result.count;
    result.city = scratch.take<uint8_t>(int64_t{d.n} * kMostNeighbours);
    for (int32_t i = 0; i < d.n; ++i) {
      uint32_t nearest[kMostNeighbours];
      int32_t size = 0, here = 0;
      for (int32_t j = 0; j < d.n; ++j) {
        if (j == i) continue;
        uint32_t key = (static_cast<uint32_t>(d.coarse_of(i, j)) << 8) | static_cast<uint32_t>(j);
        if (d.coarse_of(i, j) == 0 && ++here > 2) key |= 1u << 31;
        if (size == count && key >= nearest[count - 1]) continue;
        int32_t at = size < count ? size++ : count - 1;
        for (; at > 0 && nearest[at - 1] > key; --at) nearest[at] = nearest[at - 1];
        nearest[at] = key;
      }
      for (int32_t k = 0; k < count; ++k) result.city[i * count + k] = static_cast<uint8_t>(nearest[k] & 255u);
    }
    return result;
  }
};

struct LocalSearch {
  static constexpr int32_t kDepth = 6;    // flips in a chain
  static constexpr int32_t kSegment = 3;  // cities moved by an insertion
  static constexpr int32_t kReach = 30;   // cities in one segment of a kick

  const Distances& d;
  const Neighbours& near;
  int32_t n;
  ArrayTour now;
  uint8_t *best_order, *best_position;  // the tour to come back to
  uint8_t *queue, *queued;              // cities to look at: a ring
  int32_t head = 0, waiting = 0;

  MESA_HD static int64_t bytes(int32_t n) { return ArrayTour::bytes(n) + 4 * Scratch::bytes_for<uint8_t>(n); }
  MESA_HD LocalSearch(const Distances& distances, const Neighbours& neighbours, Scratch& scratch)
      : d(distances), near(neighbours), n(distances.n), now(distances.n, scratch) {
    uint8_t** arrays[] = {&best_order, &best_position, &queue, &queued};
    for (uint8_t** array : arrays) *array = scratch.take<uint8_t>(n);
  }

  // Improves `tour` in place; `kicks` kicks.
  MESA_HD_LARGE void run(uint8_t* tour, int32_t kicks, Words& words) {
    now.set(tour);
    for (int32_t i = 0; i < n; ++i) queued[i] = 0;
    head = waiting = 0;
    for (int32_t i = 0; i < n; ++i) push(tour[i]);
    settle();
    keep();
    for (int32_t i = 0; i < n; ++i) tour[i] = now.order[i];
    if (n < 8) return;
    int64_t length = 0;
    for (int32_t i = 0; i < n; ++i) length += dist(now.order[i], at(i + 1));
    // A kick's tour is gone on from if it is no longer than the one before it, or than the shortest met and a margin
    // that shrinks to nothing (threshold accepting, Dueck and Scheuer 1990).
    const int64_t margin = length / n;
    int64_t above = 0, least = 0;  // of the tour gone on from, and of the shortest, over the first
    for (int32_t k = 0; k < kicks; ++k) {
      int64_t change = kick(words);
      change -= settle();
      if (change > 0 && above + change > least + margin * (kicks - k) / kicks) {
        back();
        continue;
      }
      above += change;
      keep();
      if (above < least) {
        least = above;
        for (int32_t i = 0; i < n; ++i) tour[i] = now.order[i];
      }
    }
  }

 private:
  MESA_HD int32_t dist(int32_t a, int32_t b) const { return d.coarse[a * d.stride + b]; }
  MESA_HD int32_t at(int32_t p) const { return now.order[p >= n ? p - n : p]; }
  MESA_HD int32_t succ(int32_t a) const { return now.beside(a, true); }
  MESA_HD int32_t pred(int32_t a) const { return now.beside(a, false); }
  MESA_HD void put(int32_t p, int32_t a) {
    p = p >= n ? p - n : p;
    now.order[p] = static_cast<uint8_t>(a);
    now.position[a] = static_cast<uint8_t>(p);
  }
  MESA_HD void keep() {
    for (int32_t i = 0; i < n; ++i) best_order[i] = now.order[i];
    for (int32_t i = 0; i < n; ++i) best_position[i] = now.position[i];
  }
  MESA_HD void back() {
    for (int32_t i = 0; i < n; ++i) now.order[i] = best_order[i];
    for (int32_t i = 0; i < n; ++i) now.position[i] = best_position[i];
  }
  MESA_HD void push(int32_t a) {
    if (queued[a]) return;
    queued[a] = 1;
    int32_t tail = head + waiting++;
    queue[tail >= n ? tail - n : tail] = static_cast<uint8_t>(a);
  }

  // Looks at every waiting city until none improves; returns what was gained.
  MESA_HD_LARGE int64_t settle() {
    int64_t gained = 0;
    while (waiting > 0) {
      const int32_t a = queue[head];
      head = head + 1 == n ? 0 : head + 1;
      --waiting;
      queued[a] = 0;
      for (;;) {
        int32_t gain = chain(a, true);
        if (gain <= 0) gain = chain(a, false);
        if (gain <= 0) gain = insert(a);
        if (gain <= 0) break;
        gained += gain;
      }
    }
    return gained;
  }

  // A Lin-Kernighan chain from city a and its successor (or, backwards, its predecessor): a path between the two whose
  // one end is moved by flips; the chain's best tour is kept if it gains. Returns the gain, or 0.
  MESA_HD_LARGE int32_t chain(int32_t a, bool forwards) {
    int32_t flips[kDepth][2], made = 0, best_made = 0;
    int32_t best_gain = 0;
    int32_t b = forwards ? succ(a) : pred(a);
    const int32_t first = b;
    int32_t open = dist(a, b);  // what is taken out less what is put in, with the path open
    int32_t joined[kDepth];
    for (int32_t depth = 0; depth < kDepth; ++depth) {
      // b is an end of the path b … a. Join b to c, part c from its neighbour p on b's side: p is the new end.
      int32_t next_c = -1, next_p = -1, best_open = 0, best_value = -2147483647;
      for (int32_t k = 0; k < near.count; ++k) {
        const int32_t c = near.city[b * near.count + k];
        const int32_t left = open - dist(b, c);
        if (left <= 0) break;
        if (c == a) continue;
        const int32_t p = forwards ? pred(c) : succ(c);
        if (p == b) continue;
        bool used = false;
        for (int32_t m = 0; m < depth; ++m) used = used || joined[m] == p * n + c || joined[m] == c * n + p;
        if (used) continue;
        const int32_t opened = left + dist(c, p);
        const int32_t closed = opened - dist(p, a);
        const int32_t value = depth == 0 && closed > 0 ? closed + (1 << 28) : opened;
        if (value > best_value) {
          best_value = value;
          best_open = opened;
          next_c = c;
          next_p = p;
        }
      }
      if (next_c < 0) break;
      if (forwards) {
        now.reverse(b, next_p);
      } else {
        now.reverse(next_p, b);
      }
      flips[made][0] = b;
      flips[made][1] = next_p;
      joined[depth] = b * n + next_c;
      ++made;
      open = best_open;
      b = next_p;
      // After now.reverse(b … p) the path starts at p, next to a on the same side as before.
      const int32_t gain = open - dist(b, a);
      if (gain > best_gain) {
        best_gain = gain;
        best_made = made;
      }
      forwards = succ(a) == b;
    }
    while (made > best_made) {
      --made;
      const int32_t x = flips[made][0], y = flips[made][1];  // now … y … x … with y next to a
      if (succ(a) == y) {
        now.reverse(y, x);
      } else {
        now.reverse(x, y);
      }
    }
    if (best_gain > 0) {
      push(a);
      push(first);
      for (int32_t k = 0; k < best_made; ++k) {
        push(flips[k][0]);
        push(flips[k][1]);
        push(joined[k] % n);
      }
    }
    return best_gain;
  }

  // Moves the segment that starts at a and goes on for one to three cities, either way, between two neighbours near one
  // of its ends. Returns the gain, or 0.
  MESA_HD_LARGE int32_t insert(int32_t a) {
    for (int32_t way = 0; way < 2; ++way) {
      int32_t e = a;  // the segment's other end, away from a's outer neighbour
      for (int32_t length = 1; length <= kSegment && length < n - 2; ++length) {
        if (length > 1) e = way ? succ(e) : pred(e);
        const int32_t outer = way ? pred(a) : succ(a), beyond = way ? succ(e) : pred(e);
        if (outer == beyond) break;
        const int32_t out = dist(outer, a) + dist(e, beyond) - dist(outer, beyond);
        if (out <= 0) continue;
        for (int32_t k = 0; k < near.count; ++k) {
          const int32_t c = near.city[a * near.count + k];
          const int32_t join = dist(a, c);
          if (join >= out) break;
          // c must not lie in the segment
          if (now.steps(a, c, way == 1) < length) continue;
          for (int32_t side = 0; side < 2; ++side) {
            const int32_t f = side ? succ(c) : pred(c);        // a next to c, e next to f
            if (now.steps(a, f, way == 1) < length) continue;  // that connection is one of the two taken out
            const int32_t gain = out - join - dist(e, f) + dist(c, f);
            if (gain <= 0) continue;
            now.move(outer, a, e, beyond, c, f);
            const int32_t touched[] = {a, e, outer, beyond, c, f};
            for (const int32_t city : touched) push(city);
            return gain;
          }
        }
      }
    }
    return 0;
  }
  // Exchanges two neighbouring segments; returns how much longer the tour is.
  MESA_HD_LARGE int32_t kick(Words& words) {
    const int32_t most = (n - 2) / 2 < kReach ? (n - 2) / 2 : kReach;
    const int32_t start = static_cast<int32_t>(words.below(static_cast<uint32_t>(n)));
    const uint32_t both = words.below(static_cast<uint32_t>(most * most));
    const int32_t one = 1 + static_cast<int32_t>(both) % most, two = 1 + static_cast<int32_t>(both) / most;
    const int32_t before = at(start), a = at(start + 1), b = at(start + one), c = at(start + one + 1),
                  e = at(start + one + two), after = at(start + one + two + 1);
    uint8_t kept[kReach];
    for (int32_t k = 0; k < one; ++k) kept[k] = static_cast<uint8_t>(at(start + 1 + k));
    for (int32_t k = 0; k < two; ++k) put(start + 1 + k, at(start + 1 + one + k));
    for (int32_t k = 0; k < one; ++k) put(start + 1 + two + k, kept[k]);
    const int32_t touched[] = {before, a, b, c, e, after};
    for (const int32_t city : touched) push(city);
    return dist(before, c) + dist(e, a) + dist(b, after) - dist(before, a) - dist(b, c) - dist(e, after);
  }
};

}  // namespace mesa
