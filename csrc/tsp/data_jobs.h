// Tour problems drawn: one struct a job, over arrays of the caller's. Rules
// live in the headers beside this one.
#pragma once
#include "greedy_hard.h"

#define MESA_TOUR_DATA_JOBS(X) X(DrawTours) X(DrawGreedyHard)
#define MESA_TOUR_DATA_JOBS_OF_CUDA(X) X(DrawTours)

namespace mesa {

// A job that draws one problem after the other: Job::one(i, scratch).
template <class Job>
struct DrawByDraw {
  static constexpr int64_t kMostAtOnce = 64;
  template <int kLanes>
  MESA_HD void run(int64_t begin, int64_t end, Scratch scratch) const {
    for (int64_t i = begin; i < end; ++i) static_cast<const Job*>(this)->one(i, scratch);
  }
};

struct DrawTours : DrawByDraw<DrawTours> {
  TourDistribution law;
  double* drawn;         // [count, n, 2] points or [count, n, n] distances
  uint64_t seed, first;  // number of problem 0

  MESA_HD int64_t scratch_bytes(int) const { return 0; }
  MESA_HD void one(int64_t i, Scratch) const {
    Words words(numbered_key(seed, first + static_cast<uint64_t>(i)), Purpose::kLayout);
    draw_tour_problem(law, words, drawn + i * numbers_drawn(law));
  }
};

// The next candidate of each instance's sub-stream after trials[i] draws: one that the quick bound does not rule out.
struct DrawGreedyHard : DrawByDraw<DrawGreedyHard> {
  GreedyHard wanted;
  double* drawn;                        // [count, n, 2] points or [count, n, n] distances
  const uint64_t* number;               // [count]
  int64_t* trials;                      // [count]: draws made, before and after
  double *nearest_neighbour, *two_opt;  // [count]
  uint8_t* found;  // [count]: whether there is a candidate; if not, the draws of this call were spent
  uint64_t seed;
  int64_t most;  // draws an instance in this call

  MESA_HD int64_t scratch_bytes(int) const { return wanted.scratch_bytes(); }
  MESA_HD void one(int64_t i, Scratch scratch) const {
    const int64_t end = trials[i] + most < wanted.max_trials ? trials[i] + most : wanted.max_trials;
    GreedyLengths greedy{};
    found[i] = 0;
    while (found[i] == 0 && trials[i] < end) {
      const uint32_t first_block = static_cast<uint32_t>(trials[i]++) * GreedyHard::kBlocksATrial;
      Words words(numbered_key(seed, number[i]), Purpose::kTask, first_block);
      found[i] = wanted.draw(words, drawn + i * numbers_drawn(wanted.base), greedy, scratch);
    }
    nearest_neighbour[i] = greedy.nearest_neighbour;
    two_opt[i] = greedy.two_opt;
  }
};

}  // namespace mesa
