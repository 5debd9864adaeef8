// Where a maze begins to grow: the given cell, or a uniform one drawn from block 0 of the layout's random numbers.
#pragma once
#include "../core/rng.h"
#include "board.h"
#include "layout.h"

namespace mesa {

constexpr uint32_t kAfterStart = 1;  // the first block an algorithm with a start draws from

// Board index.
MESA_HD int32_t start_cell(const Layout& layout, const Key& key) {
  const Block block = key.block(Purpose::kLayout, 0);
  const auto draw = [&](int k, int32_t n) {
    const uint64_t word = uint64_t{block.word[2 * k]} << 32 | block.word[2 * k + 1];
    return static_cast<int32_t>(multiply_wide(word, static_cast<uint64_t>(n)).high);
  };
  const int32_t r = layout.start_row < 0 ? draw(0, layout.rows) : layout.start_row;
  const int32_t c = layout.start_col < 0 ? draw(1, layout.cols) : layout.start_col;
  return Board{nullptr, layout.rows, layout.cols}.index(r, c);
}

}  // namespace mesa
