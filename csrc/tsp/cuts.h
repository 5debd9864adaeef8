// Inequalities every tour obeys and a fractional point does not: subtour elimination (connected components; minimum
// cuts by Stoer and Wagner 1997 after joining connections at 1, Padberg and Rinaldi 1990), blossoms (odd components,
// Groetschel and Holland 1987), and maximally violated {0, 1/2}-cuts of tight rows, found by elimination modulo 2
// (Caprara, Fischetti and Letchford 2000), among them combs of every kind. Each is a row of whole coefficients, valid
// for all tours.
#pragma once
#include <cstdint>
#include <vector>

#include "linear_program.h"

namespace mesa {

struct Connection {
  int32_t a, b;  // a < b
};

class Separator {
 public:
  Separator(int32_t n, const std::vector<Connection>& connections);

  // Sum of the connections within the set, at most one less than its cities.
  LinearRow subtour(const std::vector<uint8_t>& in_set) const;
  LinearRow degree(int32_t city) const;

  // Violated rows at x, the most telling first. program: the rows in force, whose tight ones are built on.
  std::vector<LinearRow> separate(const std::vector<double>& x, const LinearProgram& program, int32_t most);

 private:
  struct Cut {
    LinearRow row;
    double worth;  // violation over length
  };
  void components(const std::vector<double>& x, double above, std::vector<int32_t>& of, int32_t& count) const;
  void add(std::vector<Cut>& cuts, LinearRow row, const std::vector<double>& x) const;
  bool add_subtours_of_components(std::vector<Cut>& cuts, const std::vector<double>& x) const;
  void add_minimum_cuts(std::vector<Cut>& cuts, const std::vector<double>& x, std::vector<LinearRow>& tight) const;
  void add_blossoms(std::vector<Cut>& cuts, const std::vector<double>& x) const;
  void add_half_cuts(std::vector<Cut>& cuts, const std::vector<double>& x, const LinearProgram& program,
                     const std::vector<LinearRow>& tight);

  int32_t n_;
  std::vector<Connection> connections_;
  std::vector<std::vector<int32_t>> at_;  // connections of a city
  uint64_t turn_ = 0;                     // varies the order of elimination
};

}  // namespace mesa
