// Tours made quickly and tours improved, of a batch of problems: one struct a job, for backends that give a problem to
// a thread. Rules live in the headers beside this one.
#pragma once
#include "annealing.h"
#include "exchanges.h"
#include "greedy_edge.h"
#include "heuristics.h"
#include "insertion.h"
#include "local_search.h"
#include "problems.h"
#include "space_filling.h"

#define MESA_HEURISTIC_JOBS(X) X(ConstructTours) X(ImproveTours)

namespace mesa {

enum class Construction : int32_t {
  kNearestNeighbour,
  kGreedyEdge,
  kNearestInsertion,
  kFarthestInsertion,
  kCheapestInsertion,
  kRandomInsertion,
  kSpaceFillingCurve,
  kRandom
};
enum class Improvement : int32_t { kTwoOpt, kOrOpt, kOrTwoOpt, kLocalSearch, kAnnealing };

constexpr int32_t kUsualStart = -1, kEveryStart = -2, kRandomStart = -3;  // beside a city's number

struct FoundTours {
  int32_t* order;  // [count, n], canonical
  double* length;  // [count]

  MESA_HD void write(int64_t i, const Distances& d, const uint8_t* tour) const {
    write_canonical(d.n, tour, order + i * d.n);
    length[i] = d.length(order + i * d.n);
  }
};

// What is the same for both jobs. Random numbers belong to a problem's number, not to its place in a call.
struct TourByTour {
  static constexpr int64_t kMostAtOnce = 64;
  TourProblems problems;
  FoundTours found;
  const int64_t* number;  // [count]
  uint64_t seed;

  MESA_HD Words words(int64_t i, Purpose purpose) const {
    return Words(numbered_key(seed, static_cast<uint64_t>(number[i])), purpose);
  }
};

struct ConstructTours : TourByTour {
  Construction method;
  int32_t start;

  MESA_HD int64_t scratch_bytes(int) const {
    const int32_t n = problems.n;
    return problems.bytes() + 2 * Scratch::bytes_for<uint8_t>(n) + Insertion::bytes(n) + GreedyEdge::bytes(n) +
           SierpinskiCurve::bytes(n);
  }
  template <int kLanes>
  MESA_HD void run(int64_t begin, int64_t end, Scratch scratch) const {
    for (int64_t i = begin; i < end; ++i) one(i, scratch);
  }
  MESA_HD void one(int64_t i, Scratch scratch) const {
    const Distances d = problems.distances(i, scratch);
    uint8_t* best = scratch.take<uint8_t>(d.n);
    uint8_t* tour = scratch.take<uint8_t>(d.n);
    if (start != kEveryStart) {
      make(d, i, first_city(d, i), best, scratch);
    } else {
      int64_t shortest = INT64_MAX;
      for (int32_t city = 0; city < d.n; ++city) {
        make(d, i, city, tour, scratch);
        const int64_t length = d.fine_length(tour);
        if (length >= shortest) continue;
        shortest = length;
        for (int32_t k = 0; k < d.n; ++k) best[k] = tour[k];
      }
    }
    found.write(i, d, best);
  }

 private:
  MESA_HD int32_t first_city(const Distances& d, int64_t i) const {
    if (start >= 0) return start;
    if (start == kRandomStart) {
      return static_cast<int32_t>(words(i, Purpose::kPlacement).below(static_cast<uint32_t>(d.n)));
    }
    return method == Construction::kFarthestInsertion ? Insertion::most_remote(d) : 0;
  }
  MESA_HD void make(const Distances& d, int64_t i, int32_t first, uint8_t* tour, Scratch scratch) const {
    using Next = Insertion::Next;
    switch (method) {
      case Construction::kNearestNeighbour:
        return nearest_neighbour(d, first, tour);
      case Construction::kGreedyEdge:
        return GreedyEdge(d, scratch).run(tour);
      case Construction::kSpaceFillingCurve:
        return SierpinskiCurve::run(problems.points + i * d.n * 2, d.n, tour, scratch);
      case Construction::kRandom: {
        Words random = words(i, Purpose::kLayout);
        return random_tour(d.n, random, tour);
      }
      case Construction::kRandomInsertion: {
        Words random = words(i, Purpose::kLayout);
        random_tour(d.n, random, tour);
        return Insertion(d, scratch).run(tour, tour);
      }
      default:
        break;
    }
    const Next next = method == Construction::kNearestInsertion    ? Next::kNearest
                      : method == Construction::kFarthestInsertion ? Next::kFarthest
                                                                   : Next::kCheapest;
    Insertion(d, scratch).run(next, first, tour);
  }
};

struct ImproveTours : TourByTour {
  Improvement method;
  const int32_t* from;  // [count, n], or null: the nearest neighbour's tours from city 0
  int32_t neighbours;   // a list; 0: all cities
  int32_t kicks;
  Schedule schedule;
  bool keep_best;  // of annealing's tours

  MESA_HD int64_t scratch_bytes(int) const {
    const int32_t n = problems.n;
    return problems.bytes() + 3 * Scratch::bytes_for<uint8_t>(n) + NearCities::bytes(n) + Exchanges::bytes(n) +
           Neighbours::bytes(n) + LocalSearch::bytes(n) + Annealing::bytes(n);
  }
  template <int kLanes>
  MESA_HD void run(int64_t begin, int64_t end, Scratch scratch) const {
    for (int64_t i = begin; i < end; ++i) one(i, scratch);
  }
  MESA_HD void one(int64_t i, Scratch scratch) const {
    const Distances d = problems.distances(i, scratch);
    uint8_t* given = scratch.take<uint8_t>(d.n);
    uint8_t* tour = scratch.take<uint8_t>(d.n);
    if (from == nullptr) {
      nearest_neighbour(d, 0, tour);
    } else {
      for (int32_t k = 0; k < d.n; ++k) tour[k] = static_cast<uint8_t>(from[i * d.n + k]);
    }
    write_canonical(d.n, tour, given);  // what is found does not depend on how the tour was written
    for (int32_t k = 0; k < d.n; ++k) tour[k] = given[k];
    improve(d, i, tour, scratch);
    const bool shorter = d.fine_length(tour) < d.fine_length(given);  // coarse units may have said otherwise
    found.write(i, d, shorter || !keep_best ? tour : given);
  }

 private:
  MESA_HD void improve(const Distances& d, int64_t i, uint8_t* tour, Scratch scratch) const {
    if (method == Improvement::kAnnealing) {
      uint8_t* greedy = scratch.take<uint8_t>(d.n);
      nearest_neighbour(d, 0, greedy);
      const double unit = static_cast<double>(d.fine_length(greedy)) / d.n;
      Words random = words(i, Purpose::kStep);
      return Annealing(d, scratch).run(schedule, unit, keep_best, random, tour);
    }
    if (method == Improvement::kLocalSearch) {
      Words random = words(i, Purpose::kTie);
      const Neighbours near = Neighbours::of(d, neighbours, scratch);
      return LocalSearch(d, near, scratch).run(tour, kicks, random);
    }
    const NearCities near(d, neighbours, scratch);
    Exchanges(d, near, method != Improvement::kOrOpt, method != Improvement::kTwoOpt, scratch).run(tour);
  }
};

}  // namespace mesa
