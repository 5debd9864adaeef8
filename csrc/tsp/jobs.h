// What can be done to a batch of tour problems: one struct a job. A job's one(lanes, i, scratch) does problem i with a
// group of lanes; the backends hand out problems. Rules live in the headers beside this one.
#pragma once
#include "branch_and_cut.h"
#include "held_karp.h"
#include "heuristics.h"
#include "problems.h"
#include "same_place.h"

#define MESA_TOUR_JOBS(X) X(SolveTours)

namespace mesa {

enum class TourMethod : int32_t { kAuto = 0, kHeldKarp = 1, kBranchAndBound = 2, kBranchAndCut = 3 };
constexpr int32_t kHeldKarpOfPlaces = 9;  // the same for cities in few places: its memory is every search's
constexpr int32_t kHeldKarpUpTo = 12;     // cities; beyond, branch and bound is quicker (docs/log.md)

// What is found, an array a field, one entry a problem.
struct TourArrays {
  int32_t* order;  // [count, n]: city 0 first, and of its neighbours the one with the smaller number next
  double *length, *lower_bound;
  uint8_t* optimal;
  int64_t *nodes, *one_trees, *cuts;
  int32_t* method;

  template <class Lanes>
  MESA_HD void write(const Lanes& lanes, int64_t i, const Distances& d, const uint8_t* tour, int64_t bound,
                     const SearchCounts& counts, TourMethod how) const {
    lanes.once([&] {
      int32_t* to = order + i * d.n;
      write_canonical(d.n, tour, to);
      const int64_t fine = d.fine_length(to);
      length[i] = d.length(to);
      optimal[i] = bound >= fine;
      lower_bound[i] = bound >= fine ? length[i] : d.at_most(bound);
      nodes[i] = counts.nodes;
      one_trees[i] = counts.one_trees;
      cuts[i] = counts.cuts;
      method[i] = static_cast<int32_t>(how);
      return 0;
    });
  }
};

struct SolveTours {
  TourProblems problems;
  TourArrays found;
  TourMethod method;
  int64_t node_limit;
  uint64_t seed;
  const uint8_t* stop;  // set from outside to end early: what is left is not proved; null: never
  Trace trace;          // of problem 0, for a batch of one; events null: none
  BranchAndCut beyond;  // what goes on where branch and bound gives up; null: nothing

  MESA_HD TourMethod route() const {
    if (method != TourMethod::kAuto) return method;
    return problems.n <= kHeldKarpUpTo ? TourMethod::kHeldKarp : TourMethod::kBranchAndBound;
  }
  MESA_HD int64_t most_at_once() const { return route() == TourMethod::kHeldKarp ? 64 : 4; }
  MESA_HD int64_t scratch_bytes(int) const {
    const int32_t n = problems.n;
    const int64_t kept = problems.bytes() + 2 * Scratch::bytes_for<uint8_t>(n);
    if (route() == TourMethod::kHeldKarp) return kept + held_karp_bytes(n);
    const int64_t search = Neighbours::bytes(n) + LocalSearch::bytes(n) + BranchAndBound::bytes(n);
    const int64_t small = held_karp_bytes(kHeldKarpOfPlaces);
    return kept + SamePlace::bytes(n) + (search > small ? search : small);
  }

  template <class Lanes>
  MESA_HD void one(const Lanes& lanes, int64_t i, Scratch scratch) const {
    const Distances d = problems.distances(i, scratch);  // every lane for itself: the same values to the same places
    uint8_t* tour = scratch.template take<uint8_t>(d.n);
    uint8_t* of_places = scratch.template take<uint8_t>(d.n);
    SearchCounts counts;
    lanes.sync();
    if (is_raised(stop)) {  // the time is up: any tour
      lanes.once([&] {
        nearest_neighbour(d, 0, tour);
        return 0;
      });
      found.write(lanes, i, d, tour, 0, counts, TourMethod::kAuto);
      return;
    }
    TourMethod how = route();
    int64_t bound = 0;
    if (how == TourMethod::kHeldKarp) {
      bound = dynamic_programme(lanes, d, tour, counts, scratch);
      found.write(lanes, i, d, tour, bound, counts, how);
      return;
    }
    SamePlace same = SamePlace::in(d.n, scratch);
    same.places = static_cast<int32_t>(lanes.once([&] { return int64_t{same.find(d)}; }));
    if (same.places == d.n) {
      bound = search(lanes, d, tour, counts, how, scratch);
      found.write(lanes, i, d, tour, bound, counts, how);
      return;
    }
    bool proved = true;
    if (same.places <= 3) {
      lanes.once([&] {
        for (int32_t p = 0; p < same.places; ++p) of_places[p] = static_cast<uint8_t>(p);
        return 0;
      });
    } else {
      const Distances between = same.distances(d, scratch);
      lanes.sync();
      if (method == TourMethod::kAuto && same.places <= kHeldKarpOfPlaces) {
        how = TourMethod::kHeldKarp;
        bound = dynamic_programme(lanes, between, of_places, counts, scratch);
      } else {
        bound = search(lanes, between, of_places, counts, how, scratch);
      }
      proved = bound >= between.fine_length(of_places);
    }
    lanes.once([&] {
      same.expand(of_places, tour);
      const int64_t events = trace.events == nullptr         ? 0
                             : *trace.count < trace.capacity ? *trace.count
                                                             : trace.capacity;
      for (int64_t k = 0; k < events; ++k) {
        TraceEvent& event = trace.events[k];
        if (event.a == event.b) continue;  // of no connection
        event.a = same.city[event.a];
        event.b = same.city[event.b];
      }
      return 0;
    });
    bound = proved ? d.fine_length(tour) : bound - d.n;  // what merging may have cost, of floats
    found.write(lanes, i, d, tour, bound, counts, how);
  }

 private:
  template <class Lanes>
  MESA_HD int64_t dynamic_programme(const Lanes& lanes, const Distances& d, uint8_t* tour, SearchCounts& counts,
                                    Scratch scratch) const {
    counts.nodes = 1;
    held_karp(lanes, d, tour, scratch);
    return d.fine_length(tour);
  }
  // The tour, and a lower bound in fine units.
  template <class Lanes>
  MESA_HD int64_t search(const Lanes& lanes, const Distances& d, uint8_t* tour, SearchCounts& counts, TourMethod& how,
                         Scratch scratch) const {
    lanes.once([&] {
      Scratch rest = scratch;
      nearest_neighbour(d, 0, tour);
      Words words({seed, 0, 0}, Purpose::kTie);
      const Neighbours near = Neighbours::of(d, 8, rest);
      LocalSearch(d, near, rest).run(tour, kicks(d.n), words);
      return 0;
    });
    const int64_t easy = beyond == nullptr || method == TourMethod::kBranchAndBound ? node_limit : easy_nodes(d.n);
    const int64_t first = easy < node_limit ? easy : node_limit;
    BranchAndBound one_trees(d, SearchEffort::for_cities(d.n, first), stop, trace, scratch);
    const int64_t bound = one_trees.solve(lanes, tour, counts);
    how = TourMethod::kBranchAndBound;
    if (first == node_limit || bound >= d.fine_length(tour)) return bound;
    how = TourMethod::kBranchAndCut;
    return beyond(d, one_trees, node_limit - counts.nodes, stop, tour, counts);
  }
  // Nodes after which branch and cut is quicker (docs/log.md).
  MESA_HD int64_t easy_nodes(int32_t n) const { return method == TourMethod::kBranchAndCut || n > 30 ? 1 : 3; }
  MESA_HD static int32_t kicks(int32_t n) {
    if (n <= 40) return n <= 20 ? 2 : n / 5;
    return n <= 60 ? 4 * n / 5 : n <= 120 ? 2 * n : 10 * n;
  }
};

}  // namespace mesa
