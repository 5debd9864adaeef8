// Small linear programs with bounded variables, solved by the dual simplex method with an explicit inverse: minimise c
// x subject to rows of small whole coefficients (= or <=), 0 <= x <= 1. Every structural variable has two finite
// bounds, so any basis can be made dual feasible, and rows, bounds and variables come and go without a first phase. For
// a few hundred rows; not a general solver. Answers are approximate: what is concluded from them is recomputed in whole
// numbers (branch_and_cut.h).
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace mesa {

struct LinearRow {
  std::vector<int32_t> column;  // ascending
  std::vector<int32_t> coefficient;
  int32_t rhs = 0;
  bool equality = false;  // otherwise <=
};

class LinearProgram {
 public:
  enum class Status { kOptimal, kInfeasible, kIterationLimit, kFailed };

  explicit LinearProgram(const std::vector<double>& cost);

  int32_t num_rows() const { return static_cast<int32_t>(rows_.size()); }
  int32_t num_columns() const { return columns_; }
  const LinearRow& row(int32_t i) const { return rows_[static_cast<size_t>(i)]; }
  double low(int32_t j) const { return low_[static_cast<size_t>(j)]; }
  double high(int32_t j) const { return high_[static_cast<size_t>(j)]; }

  void add_row(const LinearRow& row);
  // Removes the rows whose flag is set; each must have its slack in the basis (slack_is_basic).
  void remove_rows(const std::vector<bool>& remove);
  bool slack_is_basic(int32_t i) const { return position_[static_cast<size_t>(columns_ + i)] >= 0; }
  void set_bounds(int32_t j, double low, double high);

  Status solve(int64_t most_iterations);
  double objective() const;
  std::vector<double> primal() const;
  // One a row; of a <= row 0 or less (up to rounding).
  std::vector<double> dual() const;
  double slack(int32_t i) const;
  // The variable at each position of the basis: a column, or num_columns() + row for its slack.
  const std::vector<int32_t>& basis() const { return basic_; }
  // The prices under which the basic variables cost this, by position.
  std::vector<double> prices_for(const std::vector<double>& costs) const;
  // After kInfeasible: prices, 0 or less on <= rows, under which the rows ask for more than the bounds allow.
  const std::vector<double>& ray() const { return ray_; }

 private:
  size_t at(int32_t position, int32_t row) const {
    return static_cast<size_t>(position) * stride_ + static_cast<size_t>(row);
  }
  double value(int32_t variable) const;
  double upper_of(int32_t variable) const;
  double lower_of(int32_t variable) const;
  void column_times_inverse(int32_t variable, std::vector<double>& out) const;
  void place_nonbasic(int32_t variable);
  void refresh();
  void perturb();
  bool restore_costs();
  bool refactor();
  void reserve(int32_t rows);
  int32_t leaving() const;

  int32_t columns_;
  std::vector<double> cost_, low_, high_;
  std::vector<double> priced_;  // the costs pivots go by: cost_, or a little more or less where pivots stalled
  bool perturbed_ = false;
  std::vector<LinearRow> rows_;
  std::vector<std::vector<std::pair<int32_t, int32_t>>> by_column_;  // (row, coefficient)
  // Variables: columns, then a slack a row. position_: in the basis, or -1; at_upper_: where a nonbasic one stands.
  std::vector<int32_t> position_, basic_;
  std::vector<uint8_t> at_upper_;
  std::vector<double> inverse_;  // [rows, stride_]
  std::vector<double> norm_;     // squared length of each of its rows: dual steepest edge weights
  std::vector<double> basic_value_, reduced_;
  size_t stride_ = 0;
  int32_t since_refactor_ = 0;
  std::vector<double> pivot_row_, column_, flip_, ray_;
  std::vector<int32_t> candidates_;
};

}  // namespace mesa
