// Recursive backtracker (randomised depth-first search): from a start cell, go to a uniformly chosen unvisited
// neighbour, carving; where there is none, back up.
#pragma once
#include "board.h"
#include "choices.h"
#include "layout.h"
#include "start.h"

namespace mesa {

struct DepthFirst {
  static constexpr const char* kName = "depth_first";
  static constexpr const char* kHelp = "randomised depth-first search (recursive backtracker): long winding corridors";

  template <class Visitor>
  static void options(Visitor& v, Layout& l) {
    Layout::start(v, l);
    Layout::depth_first(v, l);
  }

  // A cell's byte holds, low, the directions it can still be left in and, high, the direction back to where it was
  // reached from. Visiting a cell strikes it off its neighbours, so that a step is one look-up: the free directions and
  // a base-12 digit give where to go, what to mark, and whether there is something to come back for. No branch depends
  // on chance, and several walks in turn hide each other's waiting (docs/log.md).
  static constexpr uint8_t kFree = 15;
  static constexpr int kMarkShift = 4;
  static constexpr int32_t kDigitBlocks = 16;  // drawn ahead; a block gives 16 digits

  struct Step {
    int16_t delta;
    uint8_t mark;
    int8_t deeper;  // the stack's growth: 1 if the cell left has another way out, -1 to back up, else 0
  };
  // What all mazes of one layout share.
  struct Plan {
    Step step[256];  // [free * 16 + digit]
    uint8_t* clean;  // a board no cell of which is visited
  };

  MESA_HD static int64_t board_bytes(int64_t rows, int64_t cols) { return Board::bytes_of(rows, cols); }
  MESA_HD static int64_t plan_bytes(int64_t rows, int64_t cols) {
    return Scratch::bytes_for<Plan>(1) + board_bytes(rows, cols);
  }
  MESA_HD static int64_t walk_bytes(int64_t rows, int64_t cols) {
    return board_bytes(rows, cols) + Scratch::bytes_for<uint32_t>(rows * cols + 2) * 2 + kDigitBlocks * 16;
  }
  MESA_HD static int64_t scratch_bytes_for(const Layout& l, int lanes) {
    return plan_bytes(l.rows, l.cols) + lanes * walk_bytes(l.rows, l.cols);
  }

  MESA_HD_RARE static Plan* make_plan(const Layout& layout, Scratch& scratch) {
    Plan* plan = scratch.take<Plan>(1);
    plan->clean = scratch.take<uint8_t>(board_bytes(layout.rows, layout.cols));
    const Board board{plan->clean, layout.rows, layout.cols};
    board.clear(0);
    for (int r = 0; r < board.rows; ++r)
      for (int c = 0; c < board.cols; ++c)
        board.cell[board.index(r, c)] =
            static_cast<uint8_t>((r > 0) | (c < board.cols - 1) << 1 | (r < board.rows - 1) << 2 | (c > 0) << 3);
    for (uint32_t free = 0; free < 16; ++free) {
      for (uint32_t digit = 0; digit < 16; ++digit) {
        Step& step = plan->step[free * 16 + digit];
        step = {0, 0, -1};
        if (free == 0) continue;
        const int direction = static_cast<int>(choose_direction(free, digit));
        step.delta = static_cast<int16_t>(board.step(direction));
        step.mark = static_cast<uint8_t>(1u << ((direction ^ 2) + kMarkShift));
        step.deeper = (free & (free - 1)) != 0;
      }
    }
    return plan;
  }

  MESA_HD static void strike_off(uint8_t* cell, int64_t up) {
    cell[-up] &= static_cast<uint8_t>(~4u);
    cell[1] &= static_cast<uint8_t>(~8u);
    cell[up] &= static_cast<uint8_t>(~1u);
    cell[-1] &= static_cast<uint8_t>(~2u);
  }

  // Base-12 digits, drawn ahead.
  struct Digits {
    uint8_t *next, *end;
    uint32_t next_block;

    MESA_HD_RARE void refill(const Key& key) {
      end = next;  // they were used up
      next -= kDigitBlocks * 16;
      draw(key);
    }
    MESA_HD void draw(const Key& key) {
      uint32_t word[kDigitBlocks * 4];
      for (int32_t i = 0; i < kDigitBlocks; ++i) {
        const Block block = key.block(Purpose::kLayout, next_block + static_cast<uint32_t>(i));
        for (int k = 0; k < 4; ++k) word[4 * i + k] = block.word[k];
      }
      for (int32_t i = 0; i < kDigitBlocks * 4; ++i) word[i] = four_digits(word[i]);
      memcpy(next, word, sizeof word);
      next_block += kDigitBlocks;
    }
  };

  struct Walk {
    uint8_t* cell;
    uint32_t *stack, *top;
    int64_t up;
    uint32_t at;
    int32_t remaining;
    Digits digits;

    MESA_HD Walk() {}
    MESA_HD Walk(const Layout& layout, Scratch& scratch) : up(layout.cols + 1) {
      cell = scratch.take<uint8_t>(board_bytes(layout.rows, layout.cols));
      stack = scratch.take<uint32_t>(int64_t{layout.rows} * layout.cols + 2);
      digits.next = scratch.take<uint8_t>(kDigitBlocks * 16);
      digits.end = digits.next + kDigitBlocks * 16;
    }
    MESA_HD void begin(const Layout& layout, const Plan& plan, const Key& key) {
      memcpy(cell, plan.clean, static_cast<size_t>(board_bytes(layout.rows, layout.cols)));
      digits.next = digits.end - kDigitBlocks * 16;
      digits.next_block = kAfterStart;
      digits.draw(key);
      at = static_cast<uint32_t>(start_cell(layout, key));
      strike_off(cell + at, up);
      stack[0] = at;  // never gone back to: the walk is over before
      top = stack + 1;
      remaining = layout.rows * layout.cols - 1;
    }
    MESA_HD void advance(const Step* steps) {
      const uint32_t free = cell[at] & kFree;
      const Step step = steps[free * 16 + *digits.next++];
      const uint32_t back = top[-1];
      *top = at;
      const uint32_t ahead = at + static_cast<uint32_t>(static_cast<int32_t>(step.delta));
      at = free ? ahead : back;
      top += step.deeper;
      strike_off(cell + at, up);
      cell[at] |= step.mark;
      remaining -= free != 0;
    }
  };

  // `mazes` says of the i-th maze its key(i), its lattice(i) and takes it when it is finished(i). kLanes walks go on in
  // turn.
  template <int kLanes, class Mazes>
  MESA_HD static void generate_many(const Layout& layout, int64_t count, Mazes& mazes, Scratch scratch) {
    const Plan& plan = *make_plan(layout, scratch);
    if (!is_plain(layout)) {
      for (int64_t i = 0; i < count; ++i) {
        generate_bent(layout, plan, mazes.key(i), mazes.lattice(i), scratch);
        mazes.finished(i);
      }
      return;
    }
    Walk walk[kLanes];
    int64_t which[kLanes];
    int64_t begun = 0;
    for (int k = 0; k < kLanes; ++k) {
      which[k] = begun++;
      walk[k] = Walk(layout, scratch);
      walk[k].begin(layout, plan, mazes.key(which[k] < count ? which[k] : 0));
      if (which[k] >= count) walk[k].remaining = 0;
    }
    // In turn, while every lane has a maze; then each to its end.
    bool all_busy = count >= kLanes;
    while (all_busy) {
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__)
#pragma GCC unroll 8
#endif
      for (int k = 0; k < kLanes; ++k) {
        walk[k].advance(plan.step);
        if (walk[k].remaining == 0) {
          hand_over(walk[k], layout, mazes, which[k]);
          which[k] = begun++;
          if (which[k] < count) {
            walk[k].begin(layout, plan, mazes.key(which[k]));
          } else {
            all_busy = false;
            walk[k].remaining = -1;
            break;
          }
        } else if (walk[k].digits.next == walk[k].digits.end) {
          walk[k].digits.refill(mazes.key(which[k]));
        }
      }
    }
    for (int k = 0; k < kLanes; ++k) {
      if (walk[k].remaining <= 0) continue;
      while (walk[k].remaining > 0) {
        if (walk[k].digits.next == walk[k].digits.end) walk[k].digits.refill(mazes.key(which[k]));
        walk[k].advance(plan.step);
      }
      hand_over(walk[k], layout, mazes, which[k]);
    }
  }
  template <class Mazes>
  MESA_HD static void hand_over(const Walk& walk, const Layout& layout, Mazes& mazes, int64_t which) {
    pack(Board{walk.cell, layout.rows, layout.cols}, kMarkShift, mazes.lattice(which));
    mazes.finished(which);
  }

  MESA_HD static bool is_plain(const Layout& l) {
    return l.branching == 1.0 && l.accessible_cells == 0 && l.max_tree_depth == 0 && l.forks;
  }
  // The same walk under the options that bend it. Whether a step goes straight on is drawn apart, so that the digits
  // are those of the plain walk.
  MESA_HD_RARE static void generate_bent(const Layout& layout, const Plan& plan, const Key& key, const Lattice& maze,
                                         Scratch scratch) {
    Walk walk(layout, scratch);
    walk.begin(layout, plan, key);
    int32_t* depth = scratch.take<int32_t>(maze.cells() + 2);  // of the cell walked from, by its place on the stack
    int32_t here = 0;
    if (layout.accessible_cells > 0)
      walk.remaining = layout.accessible_cells - 1 < walk.remaining ? layout.accessible_cells - 1 : walk.remaining;
    Words coins(key, Purpose::kTie);
    const uint64_t turn = chance_threshold(layout.branching);
    int heading = -1;
    while (walk.remaining > 0) {
      if (walk.digits.next == walk.digits.end) walk.digits.refill(key);
      uint32_t free = walk.cell[walk.at] & kFree;
      const bool too_deep = layout.max_tree_depth > 0 && here >= layout.max_tree_depth;
      const uint32_t digit = *walk.digits.next++;
      if (free == 0 || too_deep) {
        if (!layout.forks || walk.top == walk.stack + 1) break;
        --walk.top;
        walk.at = *walk.top;
        here = depth[walk.top - walk.stack];
        heading = -1;
        continue;
      }
      const bool straight = heading >= 0 && (free >> heading & 1) && !coins.chance(turn);
      const int direction = straight ? heading : static_cast<int>(choose_direction(free, digit));
      if (free & (free - 1)) {
        depth[walk.top - walk.stack] = here;
        *walk.top++ = walk.at;
      }
      const Board board{walk.cell, layout.rows, layout.cols};
      walk.at += static_cast<uint32_t>(board.step(direction));
      strike_off(walk.cell + walk.at, walk.up);
      walk.cell[walk.at] |= static_cast<uint8_t>(1u << ((direction ^ 2) + kMarkShift));
      heading = direction;
      ++here;
      --walk.remaining;
    }
    pack(Board{walk.cell, layout.rows, layout.cols}, kMarkShift, maze);
  }
};

}  // namespace mesa
