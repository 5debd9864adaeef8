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
  // All steps there are: [free * 16 + digit].
  struct Table {
    Step step[256];

    MESA_HD_RARE void fill(const Layout& layout) {
      const Board board{nullptr, layout.rows, layout.cols};
      for (uint32_t free = 0; free < 16; ++free) {
        for (uint32_t digit = 0; digit < 16; ++digit) {
          Step& its = step[free * 16 + digit];
          its = {0, 0, -1};
          if (free == 0) continue;
          const int direction = static_cast<int>(choose_direction(free, digit));
          its.delta = static_cast<int16_t>(board.step(direction));
          its.mark = static_cast<uint8_t>(1u << ((direction ^ 2) + kMarkShift));
          its.deeper = (free & (free - 1)) != 0;
        }
      }
    }
  };

  MESA_HD static int64_t board_bytes(const Layout& l) { return Board::bytes_of(l.rows, l.cols); }
  MESA_HD static int64_t scratch_bytes_for(const Layout& l, int lanes) {
    const int64_t cells = int64_t{l.rows} * l.cols;
    const int64_t walk = board_bytes(l) + 2 * Scratch::bytes_for<uint32_t>(cells + 2) + kDigitBlocks * 16;
    return Scratch::bytes_for<Table>(1) + board_bytes(l) + lanes * walk;
  }

  // A board no cell of which is visited.
  MESA_HD static void clear(const Board& board) {
    const int32_t stride = board.stride(), last = board.index(board.rows - 1, 0);
    memset(board.cell, 15, static_cast<size_t>(Board::bytes_of(board.rows, board.cols)));
    for (int c = 0; c < board.cols; ++c) {
      board.cell[stride + 1 + c] &= static_cast<uint8_t>(~1u);
      board.cell[last + c] &= static_cast<uint8_t>(~4u);
    }
    for (int r = 1; r <= board.rows; ++r) {
      board.cell[r * stride + 1] &= static_cast<uint8_t>(~8u);
      board.cell[r * stride + board.cols] &= static_cast<uint8_t>(~2u);
      board.cell[r * stride] = 0;  // the frame, which a row's end and the next row's beginning share
    }
    memset(board.cell, 0, static_cast<size_t>(stride + 1));
    memset(board.cell + last + stride - 1, 0, static_cast<size_t>(stride + 1));
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
      cell = scratch.take<uint8_t>(board_bytes(layout));
      stack = scratch.take<uint32_t>(int64_t{layout.rows} * layout.cols + 2);
      digits.next = scratch.take<uint8_t>(kDigitBlocks * 16);
      digits.end = digits.next + kDigitBlocks * 16;
    }
    // `clean`: a cleared board to begin from.
    MESA_HD void begin(const Layout& layout, const uint8_t* clean, const Key& key) {
      memcpy(cell, clean, static_cast<size_t>(board_bytes(layout)));
      begin_on_cleared(layout, key);
    }
    MESA_HD void begin_on_cleared(const Layout& layout, const Key& key) {
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

  // `mazes` says of the i-th maze its key(i), its lattice(i), is told when it is finished(i), and may hold the layout's
  // table(). kLanes walks go on in turn.
  template <int kLanes, class Mazes>
  MESA_HD static void generate_many(const Layout& layout, int64_t count, Mazes& mazes, Scratch scratch) {
    if (!is_plain(layout)) {
      for (int64_t i = 0; i < count; ++i) {
        generate_bent(layout, mazes.key(i), mazes.lattice(i), scratch);
        mazes.finished(i);
      }
      return;
    }
    const Table* table = mazes.table();
    if (!table) {
      Table* made = scratch.take<Table>(1);
      made->fill(layout);
      table = made;
    }
    if (count == 1) {
      Walk walk(layout, scratch);
      clear(Board{walk.cell, layout.rows, layout.cols});
      walk.begin_on_cleared(layout, mazes.key(0));
      finish(walk, layout, *table, mazes, 0);
      return;
    }
    uint8_t* clean = scratch.take<uint8_t>(board_bytes(layout));
    clear(Board{clean, layout.rows, layout.cols});
    Walk walk[kLanes];
    int64_t which[kLanes];
    int64_t begun = 0;
    for (int k = 0; k < kLanes; ++k) {
      which[k] = begun++;
      walk[k] = Walk(layout, scratch);
      walk[k].begin(layout, clean, mazes.key(which[k] < count ? which[k] : 0));
      if (which[k] >= count) walk[k].remaining = 0;
    }
    // In turn, while every lane has a maze; then each to its end.
    bool all_busy = count >= kLanes;
    while (all_busy) {
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__)
#pragma GCC unroll 8
#endif
      for (int k = 0; k < kLanes; ++k) {
        walk[k].advance(table->step);
        if (walk[k].remaining == 0) {
          hand_over(walk[k], layout, mazes, which[k]);
          which[k] = begun++;
          if (which[k] < count) {
            walk[k].begin(layout, clean, mazes.key(which[k]));
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
    for (int k = 0; k < kLanes; ++k)
      if (walk[k].remaining > 0) finish(walk[k], layout, *table, mazes, which[k]);
  }
  template <class Mazes>
  MESA_HD static void finish(Walk& walk, const Layout& layout, const Table& table, Mazes& mazes, int64_t which) {
    while (walk.remaining > 0) {
      if (walk.digits.next == walk.digits.end) walk.digits.refill(mazes.key(which));
      walk.advance(table.step);
    }
    hand_over(walk, layout, mazes, which);
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
  MESA_HD_RARE static void generate_bent(const Layout& layout, const Key& key, const Lattice& maze, Scratch scratch) {
    Walk walk(layout, scratch);
    clear(Board{walk.cell, layout.rows, layout.cols});
    walk.begin_on_cleared(layout, key);
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
