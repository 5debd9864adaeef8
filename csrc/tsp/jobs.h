// What can be done to a batch of tour problems: one struct a job. A job's one(lanes, i, scratch) does problem i with a
// group of lanes; the backends hand out problems. Rules live in the headers beside this one.
#pragma once
#include "branch_and_cut.h"
#include "held_karp.h"
#include "heuristics.h"
#include "problems.h"

#define MESA_TOUR_JOBS(X) X(SolveTours)

namespace mesa {

enum class TourMethod : int32_t { kAuto = 0, kHeldKarp = 1, kBranchAndBound = 2, kBranchAndCut = 3 };
constexpr int32_t kHeldKarpUpTo = 12;  // cities; beyond, branch and bound is quicker (docs/log.md)

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
    const int64_t rest = route() == TourMethod::kHeldKarp
                             ? held_karp_bytes(n)
                             : Neighbours::bytes(n) + LocalSearch::bytes(n) + BranchAndBound::bytes(n);
    return problems.bytes() + rest + Scratch::bytes_for<uint8_t>(n);
  }

  template <class Lanes>
  MESA_HD void one(const Lanes& lanes, int64_t i, Scratch scratch) const {
    Scratch rest = scratch;
    const Distances d = problems.distances(i, rest);  // every lane for itself: the same values to the same places
    uint8_t* tour = rest.template take<uint8_t>(d.n);
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
    if (route() == TourMethod::kHeldKarp) {
      const int64_t bound = lanes.once([&] {
        held_karp(d, tour, rest);
        return d.fine_length(tour);
      });
      counts.nodes = 1;
      found.write(lanes, i, d, tour, bound, counts, TourMethod::kHeldKarp);
      return;
    }
    lanes.once([&] {
      nearest_neighbour(d, 0, tour);
      Words words({seed, 0, 0}, Purpose::kTie);
      const Neighbours near = Neighbours::of(d, 8, rest);
      LocalSearch(d, near, rest).run(tour, kicks(d.n), words);
      return 0;
    });
    rest = scratch;
    rest.at += problems.bytes() + Scratch::bytes_for<uint8_t>(d.n);
    const int64_t first = beyond == nullptr || method == TourMethod::kBranchAndBound ? node_limit : easy_nodes(d.n);
    BranchAndBound search(d, SearchEffort::for_cities(d.n, first < node_limit ? first : node_limit), stop, trace, rest);
    int64_t bound = search.solve(lanes, tour, counts);
    TourMethod how = TourMethod::kBranchAndBound;
    if (first < node_limit && bound < d.fine_length(tour)) {
      how = TourMethod::kBranchAndCut;
      bound = beyond(d, search, node_limit - counts.nodes, stop, tour, counts);
    }
    found.write(lanes, i, d, tour, bound, counts, how);
  }

 private:
  // Nodes after which branch and cut is quicker (docs/log.md).
  MESA_HD int64_t easy_nodes(int32_t n) const { return method == TourMethod::kBranchAndCut || n > 30 ? 1 : 3; }
  MESA_HD static int32_t kicks(int32_t n) { return n <= 20 ? 2 : n <= 40 ? n / 5 : n <= 60 ? 4 * n / 5 : 2 * n; }
};

}  // namespace mesa
