// Simulated annealing of a tour (Kirkpatrick, Gelatt and Vecchi 1983): random 2-opt moves and insertions of up to three
// cities, half each, accepted by Metropolis's rule. A schedule of so many sweeps of n proposals, never of seconds.
#pragma once
#include "../core/words.h"
#include "array_tour.h"
#include "distances.h"

namespace mesa {

enum class Cooling : int32_t { kGeometric = 0, kLinear = 1 };  // from sweep to sweep

struct Schedule {
  int64_t sweeps;
  Cooling cooling;
  double first,
      last;  // temperatures of the first sweep and the last, in mean distances of the nearest neighbour's tour

  MESA_HD double temperature(int64_t sweep) const {
    const double part = sweeps > 1 ? static_cast<double>(sweep) / static_cast<double>(sweeps - 1) : 0.0;
    if (cooling == Cooling::kLinear || first == last || last == 0.0) return first + (last - first) * part;
    return first * portable_exp(portable_log(last / first) * part);
  }
};

struct Annealing {
  static constexpr int32_t kSegment = 3;

  const Distances& d;
  ArrayTour tour;

  MESA_HD static int64_t bytes(int32_t n) { return ArrayTour::bytes(n); }
  MESA_HD Annealing(const Distances& distances, Scratch& scratch) : d(distances), tour(distances.n, scratch) {}

  // `unit`: fine units that make a temperature of 1. Leaves the best tour met in `order`, or, unless keep_best, the
  // last.
  MESA_HD void run(const Schedule& schedule, double unit, bool keep_best, Words& words, uint8_t* order) {
    tour.set(order);
    if (d.n < 4) return;
    int64_t above = 0, best_above = 0;  // length less that of the first tour
    for (int64_t sweep = 0; sweep < schedule.sweeps; ++sweep) {
      const double temperature = schedule.temperature(sweep) * unit;
      for (int32_t k = 0; k < d.n; ++k) {
        const uint32_t word = words.u32();
        above += word & 1u ? two_opt(temperature, words) : insertion(temperature, words);
        if (!keep_best || above >= best_above) continue;
        best_above = above;
        for (int32_t i = 0; i < d.n; ++i) order[i] = tour.order[i];
      }
    }
    if (keep_best) return;
    for (int32_t i = 0; i < d.n; ++i) order[i] = tour.order[i];
  }

 private:
  MESA_HD int64_t dist(int32_t a, int32_t b) const { return d.fine_of(a, b); }
  MESA_HD static int32_t draw(int32_t below, Words& words) {
    return static_cast<int32_t>(words.below(static_cast<uint32_t>(below)));
  }
  MESA_HD int32_t at(int32_t place) const { return tour.order[place < d.n ? place : place - d.n]; }
  MESA_HD static bool accepts(int64_t added, double temperature, Words& words) {
    if (added <= 0) return true;
    const double worse = static_cast<double>(added);
    if (worse > 40.0 * temperature) return false;  // e^-40 is below a step of the number drawn
    const uint32_t high = words.u32();
    return unit_interval(high, words.u32()) < portable_exp(-worse / temperature);
  }
  // Two of the tour's n distances, any two, are taken out; returns how much longer the tour is.
  MESA_HD int64_t two_opt(double temperature, Words& words) {
    const int32_t n = d.n;
    const int32_t drawn = draw(n * (n - 3), words), i = drawn % n, j = i + 2 + drawn / n;  // places, not side by side
    const int32_t a = at(i), b = at(i + 1), c = at(j < n ? j : j - n), e = at((j < n ? j : j - n) + 1);
    const int64_t added = dist(a, c) + dist(b, e) - dist(a, b) - dist(c, e);
    if (!accepts(added, temperature, words)) return 0;
    tour.exchange(a, b, c);
    return added;
  }
  // A segment of one to three cities goes into another gap, either way round.
  MESA_HD int64_t insertion(double temperature, Words& words) {
    const int32_t n = d.n, longest = n - 3 < kSegment ? n - 3 : kSegment;
    const int32_t drawn = draw(n * longest, words), i = drawn % n, length = 1 + drawn / n;
    const int32_t gap = draw(2 * (n - length - 1), words);
    const int32_t p = at(i), s = at(i + 1), end = i + length < n ? i + length : i + length - n;
    const int32_t e = at(end), q = at(end + 1), after = end + 1 + gap / 2;
    const int32_t first = after < n ? after : after - n;
    const int32_t c = gap & 1 ? at(first) : at(first + 1), f = gap & 1 ? at(first + 1) : at(first);
    const int64_t added = dist(p, q) + dist(s, c) + dist(e, f) - dist(p, s) - dist(e, q) - dist(c, f);
    if (!accepts(added, temperature, words)) return 0;
    tour.move(p, s, e, q, c, f);
    return added;
  }
};

}  // namespace mesa
