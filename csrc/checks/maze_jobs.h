// Every job over mazes, of every algorithm, and every reference agent: what they make, as a number.
#pragma once
#include "../maze/jobs.h"
#include "tried.h"

namespace mesa {

constexpr int32_t kMazeAlgorithms = 0
#define MESA_ONE(Algorithm) +1
    MESA_MAZE_ALGORITHMS(MESA_ONE)
#undef MESA_ONE
    ;

// What can be asked about mazes that are there.
inline uint64_t questions_about(const PackedMazes& mazes, int threads, int64_t count, EndpointRule rule) {
  const int64_t cells = mazes.cells();
  const AboutMazes about{mazes};
  auto start = std::vector<int32_t>(static_cast<size_t>(count), -1), goal = start;
  MazeEndpoints ends{{about}, {}, rule, 3, 5, start.data(), goal.data()};
  try_on_cpu(ends, count, threads);
  uint64_t made = hash_of(start) * 31 + hash_of(goal);
  for (size_t i = 0; i < start.size(); ++i) {  // where the rule found no pair
    if (start[i] < 0) start[i] = 0, goal[i] = static_cast<int32_t>(cells) - 1;
  }
  auto distance = zeros<int32_t>(count * cells), label = distance, parts = zeros<int32_t>(count), length = parts;
  auto mask = zeros<uint8_t>(count * cells), degree = mask, left = mask;
  auto unique = zeros<uint8_t>(count), only = unique, moves = zeros<uint8_t>(count * PackedMoves::bytes_of(cells));
  auto square = zeros<int32_t>(count), depth = square;
  try_on_cpu(MazeDistances{{}, mazes, goal.data(), distance.data()}, count, threads);
  try_on_cpu(MazeActions{{about}, {}, goal.data(), mask.data()}, count, threads);
  try_on_cpu(MazeSolutions{{about}, {}, start.data(), goal.data(), length.data(), unique.data(), moves.data()}, count,
             threads);
  try_on_cpu(MazeComponents{{about}, {}, label.data(), parts.data()}, count, threads);
  try_on_cpu(MazeDegrees{{about}, {}, degree.data()}, count, threads);
  // What follows is asked of mazes that have a way.
  for (size_t i = 0; i < start.size(); ++i) {
    if (length[i] < 0) goal[i] = start[i];
  }
  try_on_cpu(MazeSolutions{{about}, {}, start.data(), goal.data(), length.data(), unique.data(), moves.data()}, count,
             threads);
  try_on_cpu(MazeOnlyPaths{{about}, {}, start.data(), length.data(), moves.data(), only.data()}, count, threads);
  std::vector<int64_t> offset;
  int64_t in_all = 0;
  for (const int32_t steps : length) offset.push_back(in_all), in_all += steps + 1;
  auto path = zeros<int32_t>(in_all);
  try_on_cpu(
      MazePaths{{}, mazes.rows, mazes.cols, start.data(), length.data(), moves.data(), offset.data(), path.data()},
      count, threads);
  try_on_cpu(MazeDeadEndFilling{{about}, {}, start.data(), goal.data(), left.data()}, count, threads);
  try_on_cpu(MazeDecisionSquares{{about}, {}, start.data(), goal.data(), start.data(), square.data()}, count, threads);
  try_on_cpu(MazeLookahead{{about}, {}, start.data(), goal.data(), depth.data()}, count, threads);
  for (const auto* ints : {&distance, &label, &parts, &length, &path, &square, &depth})
    made = made * 31 + hash_of(*ints);
  for (const auto* bytes : {&mask, &degree, &left, &unique, &only, &moves}) made = made * 31 + hash_of(*bytes);
  return made;
}

inline uint64_t maze_jobs(int threads, int64_t count) {
  uint64_t made = 0;
  for (int32_t algorithm = 0; algorithm < kMazeAlgorithms; ++algorithm) {
    Layout layout;
    layout.rows = 9;
    layout.cols = 11;
    layout.algorithm = algorithm;
    auto bits = zeros<uint8_t>(count * Lattice::bytes_of(9, 11));
    GenerateMazes job{{bits.data(), 9, 11}, layout, 3, 5, {}};
    job.table.fill(layout);
    try_on_cpu(job, count, threads);
    EndpointRule rule;
    rule.dead_ends = algorithm % 2 == 0;
    rule.min_distance = algorithm % 3;
    made = made * 31 + hash_of(bits) + questions_about(job.mazes, threads, count, rule);
  }
  return made;
}

// Several actions of every reference agent, before pictures that are whatever they are.
inline uint64_t maze_agents(int threads, int64_t count) {
  constexpr int32_t kSize = 7, kSides[] = {5, 2 * kSize + 1};
  uint64_t made = 0;
  for (int32_t kind = 0; kind <= static_cast<int32_t>(MazeAgent::kCornerSeeker); ++kind) {
    for (const int32_t side : kSides) {
      if (side == kSides[0] && sees_whole_grid(static_cast<MazeAgent>(kind))) continue;
      auto view = zeros<uint8_t>(count * side * side), begins = zeros<uint8_t>(count);
      auto memory = zeros<uint32_t>(count * MazeMemory::bytes(kSize) / 4);
      auto action = zeros<int32_t>(count);
      uint32_t state = 1;
      for (int step = 0; step < 4; ++step) {
        for (uint8_t& tile : view) {
          state = state * 1664525u + 1013904223u;  // Numerical Recipes
          tile = static_cast<uint8_t>((state >> 24) % 4);
        }
        if (step == 2) begins.assign(begins.size(), 1);
        try_on_cpu(MazeAgentsAct{{},
                                 static_cast<MazeAgent>(kind),
                                 kSize,
                                 side,
                                 false,
                                 2,
                                 3,
                                 1,
                                 view.data(),
                                 begins.data(),
                                 reinterpret_cast<uint8_t*>(memory.data()),
                                 action.data()},
                   count, threads);
        made = made * 31 + hash_of(action);
      }
    }
  }
  return made;
}

inline void require_maze_jobs_tried() {
  MESA_MAZE_JOBS(MESA_REQUIRE_TRIED)
}

}  // namespace mesa
