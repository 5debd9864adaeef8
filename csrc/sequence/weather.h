// The laws of the weather ladder (symbol 0: sun, 1: rain). Every one is a renewal rule: whether a streak goes on
// depends on which symbol it is of and how long it has lasted, on nothing else, so that (last symbol, streak) is all of
// the past that matters. Constants are chosen so that n-gram losses come near those of a pilot (docs/sequences.md).
#pragma once
#include "../core/portable.h"

namespace mesa::sequence {

// What anybody who saw the symbols knows of the past, as far as it matters to a law.
struct Past {
  int32_t last = -1;   // the last symbol, -1 before the first
  int32_t streak = 0;  // how often it came in a row
  int32_t time = 0;    // symbols so far
};
MESA_HD void append(Past& past, int32_t symbol) {
  past.streak = symbol == past.last ? past.streak + 1 : 1;
  past.last = symbol;
  ++past.time;
}

// Chance that a streak ends: `young` while it is shorter than `length`, `old` from then on; by symbol.
struct Renewal {
  double young[2], old[2];
  int32_t length[2];

  MESA_HD double ends(const Past& past) const {
    const bool rain = past.last == 1;
    return past.streak < (rain ? length[1] : length[0]) ? (rain ? young[1] : young[0]) : (rain ? old[1] : old[0]);
  }
};
MESA_HD double rain_next(const Past& past, double end) {
  return past.last == 1 ? 1.0 - end : end;
}

// W0: rain always comes in pairs. A pair begins with chance 1/5.
MESA_HD double rain_of_pairs(const Past& past) {
  return past.last == 1 && past.streak % 2 == 1 ? 1.0 : 0.2;
}
// W1: rain stays with chance .7, sun with .9; a quarter of the days are rainy.
MESA_HD double rain_of_markov(const Past& past) {
  return past.last < 0 ? 0.25 : past.last == 1 ? 0.7 : 0.1;
}
// W2: the longer a streak has lasted, the less likely it ends; down to .06.
MESA_HD double rain_of_streaks(const Past& past) {
  if (past.last < 0) return 0.5;
  double excess = past.last == 1 ? 0.38 : 0.3;
  for (int32_t day = 1; day < past.streak && day < 40; ++day) excess *= 0.7;
  return rain_next(past, 0.06 + excess);
}

// W3: five regimes, each of one or more rules that differ in their parameters; the rules of a regime are equally
// likely.
enum Regime : int32_t { kAlternate, kMemoryless, kSticky, kStreaksEnd, kPatterns, kRegimes };
constexpr int32_t kRulesOf[kRegimes] = {1, 5, 1, 2, 1};
constexpr int32_t kRules = 10;
static_assert(kRulesOf[0] + kRulesOf[1] + kRulesOf[2] + kRulesOf[3] + kRulesOf[4] == kRules);

MESA_HD int32_t rules_of(int32_t regime) {
  constexpr int32_t rules[kRegimes] = {kRulesOf[0], kRulesOf[1], kRulesOf[2], kRulesOf[3], kRulesOf[4]};
  return rules[regime];
}
MESA_HD int32_t first_rule_of(int32_t regime) {
  int32_t rule = 0;
  for (int32_t before = 0; before < regime; ++before) rule += rules_of(before);
  return rule;
}
MESA_HD int32_t regime_of(int32_t rule) {
  int32_t regime = 0;
  while (rule >= first_rule_of(regime) + rules_of(regime)) ++regime;
  return regime;
}
MESA_HD double prior_of_rule(int32_t rule) {
  return 1.0 / kRegimes / rules_of(regime_of(rule));
}
MESA_HD Renewal steady(double sun_ends, double rain_ends) {
  return {{sun_ends, rain_ends}, {sun_ends, rain_ends}, {1, 1}};
}
MESA_HD Renewal renewal_of(int32_t rule) {
  switch (rule) {
    case 0:
      return steady(1.0, 1.0);  // alternate
    case 1:
      return steady(0.1, 0.9);  // memoryless: rain with chance .1, .3 … .9
    case 2:
      return steady(0.3, 0.7);
    case 3:
      return steady(0.5, 0.5);
    case 4:
      return steady(0.7, 0.3);
    case 5:
      return steady(0.9, 0.1);
    case 6:
      return steady(0.15, 0.15);  // sticky
    case 7:
      return {{0.05, 0.05}, {0.5, 0.5}, {4, 4}};  // streaks likelier to end from the fourth day on
    case 8:
      return {{0.05, 0.05}, {0.5, 0.5}, {5, 5}};  // from the fifth
    default:
      return {{0.0, 0.0}, {1.0, 1.0}, {1, 2}};  // rain-rain-sun
  }
}
// Any day's weather is turned round with chance `noise`, and the rule goes on from what was seen. Before the first day
// there is nothing to go on from: either is as likely.
MESA_HD double rain_of_rule(int32_t rule, const Past& past, double noise) {
  if (past.last < 0) return 0.5;
  const double p = rain_next(past, renewal_of(rule).ends(past));
  return p * (1.0 - noise) + (1.0 - p) * noise;
}

}  // namespace mesa::sequence
