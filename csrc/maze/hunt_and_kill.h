// Hunt and kill: a walk to uniform unvisited neighbours until there is none; then, in row order, the first unvisited
// cell beside a visited one is joined to it, and the walk goes on from there.
#pragma once
#include "one_by_one.h"

namespace mesa {

struct HuntAndKill : OneByOne<HuntAndKill> {
  static constexpr const char* kName = "hunt_and_kill";
  static constexpr const char* kHelp = "a random walk until stuck, then on from the first unvisited cell beside it";

  template <class Visitor>
  static void options(Visitor& v, Layout& l) {
    Layout::start(v, l);
  }
  MESA_HD static int64_t scratch_bytes(const Layout& l) { return Board::bytes_of(l.rows, l.cols); }

  MESA_HD static void generate(const Layout& layout, const Key& key, const Lattice& maze, Scratch scratch) {
    const Board board{scratch.take<uint8_t>(Board::bytes_of(layout.rows, layout.cols)), layout.rows, layout.cols};
    constexpr uint8_t kFrame = 0x40;
    board.clear(kFrame);
    uint8_t* cell = board.cell;
    int32_t at = start_cell(layout, key);
    cell[at] = kTaken;
    Words words(key, Purpose::kLayout, kAfterStart);
    const auto digit = [&] { return static_cast<uint32_t>(uint64_t{words.u32()} * 12 >> 32); };
    int first_row = 0;  // all rows above are visited
    for (int64_t remaining = maze.cells() - 1; remaining > 0; --remaining) {
      uint32_t free = 0;
      for (int d = 0; d < 4; ++d) free |= static_cast<uint32_t>(cell[at + board.step(d)] == 0) << d;
      if (free) {
        const uint32_t direction = choose_direction(free, digit());
        at += board.step(static_cast<int>(direction));
        cell[at] = static_cast<uint8_t>(kTaken | 1u << (direction ^ 2));
      } else {
        at = hunt(board, first_row);
        uint32_t beside = 0;
        for (int d = 0; d < 4; ++d) beside |= static_cast<uint32_t>(cell[at + board.step(d)] >> 7) << d;
        cell[at] = static_cast<uint8_t>(kTaken | 1u << choose_direction(beside, digit()));
      }
    }
    pack(board, 0, maze);
  }

  MESA_HD static int32_t hunt(const Board& board, int& first_row) {
    const uint8_t* cell = board.cell;
    const int32_t up = board.stride();
    bool full = true;  // rows seen so far
    for (int r = first_row;; ++r) {
      for (int32_t at = board.index(r, 0), end = at + board.cols; at < end; ++at) {
        if (cell[at]) continue;
        full = false;
        if ((cell[at - up] | cell[at + 1] | cell[at + up] | cell[at - 1]) & kTaken) return at;
      }
      if (full) first_row = r + 1;
    }
  }
};

}  // namespace mesa
