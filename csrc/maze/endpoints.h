// Start and goal of a maze by rule.
#pragma once
#include "structure.h"

namespace mesa {

struct EndpointRule {
  bool dead_ends = false;  // both ends are cells with one exit
  bool not_equal = true;
  int32_t min_distance = 0, max_distance = INT32_MAX;  // steps from start to goal
};

struct Endpoints {
  int32_t start, goal;  // -1, -1: the rule cannot be kept
};

// The goal is uniform over the cells that have a start the rule allows, the start uniform over those it allows with
// that goal; both are joined. A given start or goal (not -1) is taken as it is. Goals are tried in random order without
// repeating, so that a rule that cannot be kept is found out; with a start given one search from it finds them all.
MESA_HD Endpoints place_endpoints(const Lattice& maze, const EndpointRule& rule, int32_t given_start,
                                  int32_t given_goal, const Key& key, Scratch scratch) {
  constexpr uint32_t kFits = 0x40;  // a partner the rule allows to the end that is tried
  constexpr uint32_t kNoPartner = 0x20;
  BreadthFirst search(maze, scratch);
  uint16_t* candidate = scratch.take<uint16_t>(maze.cells());
  const auto allowed = [&](int32_t cell) { return !rule.dead_ends || count_exits(search.exits, cell) == 1; };
  const bool from_start = given_start >= 0 && given_goal < 0;
  const int32_t given = from_start ? given_start : given_goal, given_partner = from_start ? -1 : given_start;
  uint32_t candidates = 0;
  if (given >= 0) {
    candidate[candidates++] = static_cast<uint16_t>(given);
  } else {
    for (int32_t cell = 0; cell < search.exits.cells(); ++cell) {
      candidate[candidates] = static_cast<uint16_t>(cell);
      candidates += allowed(cell);
    }
  }
  Words words(key, Purpose::kPlacement);
  while (candidates > 0) {
    const uint32_t k = candidates == 1 ? 0 : words.below(candidates);
    const int32_t end = candidate[k];
    candidate[k] = candidate[--candidates];
    if (search.exits.of[end] & kNoPartner) continue;
    uint32_t partners = 0;
    int32_t farthest = 0;
    search.flood(end, [&](int32_t cell, int32_t steps) {
      const bool fits = steps >= rule.min_distance && steps <= rule.max_distance && (cell != end || !rule.not_equal) &&
                        (given_partner < 0 ? allowed(cell) : cell == given_partner);
      search.exits.of[cell] = static_cast<uint8_t>((search.exits.of[cell] & ~kFits) | (fits ? kFits : 0));
      partners += fits;
      farthest = steps;
      return steps <= rule.max_distance;
    });
    if (partners > 0) {
      uint32_t skip = partners == 1 ? 0 : words.below(partners);
      const uint16_t* cell = search.queue;
      while (!(search.exits.of[*cell] & kFits) || skip-- > 0) ++cell;
      return from_start ? Endpoints{end, *cell} : Endpoints{*cell, end};
    }
    search.forget();
    if (candidates == 0) break;
    // A cell is no farther from any other than by way of this end: those near it have no partner either.
    search.flood(end, [&](int32_t cell, int32_t steps) {
      if (steps + farthest >= rule.min_distance) return false;
      search.exits.of[cell] = static_cast<uint8_t>(search.exits.of[cell] | kNoPartner);
      return true;
    });
    search.forget();
  }
  return {-1, -1};
}

}  // namespace mesa
