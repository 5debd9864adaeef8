// Finding the inequalities of cuts.h.
#include "cuts.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace mesa {
namespace {

constexpr double kOne = 1.0 - 1e-7, kZero = 1e-7;  // a variable at a bound
constexpr double kViolated = 1e-4, kTight = 1e-7;
constexpr int32_t kMostCoefficient = 6;

size_t u(int32_t i) {
  return static_cast<size_t>(i);
}

double activity(const LinearRow& row, const std::vector<double>& x) {
  double sum = 0.0;
  for (size_t k = 0; k < row.column.size(); ++k) sum += row.coefficient[k] * x[u(row.column[k])];
  return sum;
}

int32_t find(std::vector<int32_t>& parent, int32_t v) {
  while (parent[u(v)] != v) v = parent[u(v)] = parent[u(parent[u(v)])];
  return v;
}

}  // namespace

Separator::Separator(int32_t n, const std::vector<Connection>& connections)
    : n_(n), connections_(connections), at_(u(n)) {
  for (size_t e = 0; e < connections.size(); ++e) {
    at_[u(connections[e].a)].push_back(static_cast<int32_t>(e));
    at_[u(connections[e].b)].push_back(static_cast<int32_t>(e));
  }
}

LinearRow Separator::degree(int32_t city) const {
  LinearRow row;
  row.column = at_[u(city)];
  row.coefficient.assign(row.column.size(), 1);
  row.rhs = 2;
  row.equality = true;
  return row;
}

LinearRow Separator::subtour(const std::vector<uint8_t>& in_set) const {
  const int32_t size = static_cast<int32_t>(std::count(in_set.begin(), in_set.end(), uint8_t{1}));
  const bool other = 2 * size > n_;  // the complement says the same with fewer connections
  LinearRow row;
  for (size_t e = 0; e < connections_.size(); ++e) {
    const bool a = in_set[u(connections_[e].a)] != other, b = in_set[u(connections_[e].b)] != other;
    if (a && b) row.column.push_back(static_cast<int32_t>(e));
  }
  row.coefficient.assign(row.column.size(), 1);
  row.rhs = (other ? n_ - size : size) - 1;
  return row;
}

void Separator::components(const std::vector<double>& x, double above, std::vector<int32_t>& of, int32_t& count) const {
  std::vector<int32_t> parent(u(n_));
  std::iota(parent.begin(), parent.end(), 0);
  for (size_t e = 0; e < connections_.size(); ++e) {
    if (x[e] > above) parent[u(find(parent, connections_[e].a))] = find(parent, connections_[e].b);
  }
  of.assign(u(n_), -1);
  count = 0;
  for (int32_t v = 0; v < n_; ++v) {
    const int32_t root = find(parent, v);
    if (of[u(root)] < 0) of[u(root)] = count++;
  }
  std::vector<int32_t> named(u(n_));
  for (int32_t v = 0; v < n_; ++v) named[u(v)] = of[u(find(parent, v))];
  of.swap(named);
}

void Separator::add(std::vector<Cut>& cuts, LinearRow row, const std::vector<double>& x) const {
  const double violation = activity(row, x) - row.rhs;
  if (violation < kViolated || row.column.empty()) return;
  double length = 0.0;
  for (const int32_t c : row.coefficient) length += static_cast<double>(c) * c;
  for (const Cut& other : cuts) {
    if (other.row.rhs == row.rhs && other.row.column == row.column && other.row.coefficient == row.coefficient) return;
  }
  cuts.push_back({std::move(row), violation / std::sqrt(length)});
}

bool Separator::add_subtours_of_components(std::vector<Cut>& cuts, const std::vector<double>& x) const {
  std::vector<int32_t> of;
  int32_t count = 0;
  components(x, kZero, of, count);
  if (count == 1) return false;
  for (int32_t k = 0; k < count; ++k) {
    std::vector<uint8_t> in_set(u(n_));
    for (int32_t v = 0; v < n_; ++v) in_set[u(v)] = of[u(v)] == k;
    add(cuts, subtour(in_set), x);
  }
  return true;
}

// Every cut of a phase below 2 is a violated subtour row; those at 2 are sets a tour enters and leaves once, as x does.
void Separator::add_minimum_cuts(std::vector<Cut>& cuts, const std::vector<double>& x,
                                 std::vector<LinearRow>& tight) const {
  std::vector<int32_t> of;
  int32_t nodes = 0;
  components(x, kOne, of, nodes);
  std::vector<double> weight(u(nodes) * u(nodes), 0.0);
  for (size_t e = 0; e < connections_.size(); ++e) {
    const int32_t a = of[u(connections_[e].a)], b = of[u(connections_[e].b)];
    if (a == b) continue;
    weight[u(a) * u(nodes) + u(b)] += x[e];
    weight[u(b) * u(nodes) + u(a)] += x[e];
  }
  std::vector<std::vector<uint8_t>> members(u(nodes), std::vector<uint8_t>(u(n_)));
  for (int32_t v = 0; v < n_; ++v) members[u(of[u(v)])][u(v)] = 1;
  std::vector<int32_t> alive(u(nodes));
  std::iota(alive.begin(), alive.end(), 0);
  while (alive.size() > 1) {
    std::vector<double> key(alive.size(), 0.0);
    std::vector<uint8_t> taken(alive.size());
    size_t last = 0, before = 0;
    for (size_t k = 0; k < alive.size(); ++k) {
      size_t next = alive.size();
      for (size_t i = 0; i < alive.size(); ++i) {
        if (!taken[i] && (next == alive.size() || key[i] > key[next])) next = i;
      }
      taken[next] = 1;
      before = last;
      last = next;
      if (k + 1 == alive.size()) break;
      for (size_t i = 0; i < alive.size(); ++i) {
        if (!taken[i]) key[i] += weight[u(alive[next]) * u(nodes) + u(alive[i])];
      }
    }
    const int32_t s = alive[before], t = alive[last];
    const double value = key[last];
    const auto cities = std::count(members[u(t)].begin(), members[u(t)].end(), uint8_t{1});
    if (cities >= 2 && cities <= n_ - 2) {
      if (value < 2.0 - kViolated) add(cuts, subtour(members[u(t)]), x);
      if (std::fabs(value - 2.0) < kTight && cities >= 3 && cities <= n_ - 3) tight.push_back(subtour(members[u(t)]));
    }
    for (int32_t v = 0; v < n_; ++v) members[u(s)][u(v)] |= members[u(t)][u(v)];
    for (const int32_t i : alive) {
      weight[u(s) * u(nodes) + u(i)] += weight[u(t) * u(nodes) + u(i)];
      weight[u(i) * u(nodes) + u(s)] = weight[u(s) * u(nodes) + u(i)];
    }
    alive.erase(alive.begin() + static_cast<int64_t>(last));
  }
}

// Handles are components of the connections strictly between, or above a threshold; teeth the connections at 1 that
// leave.
void Separator::add_blossoms(std::vector<Cut>& cuts, const std::vector<double>& x) const {
  for (const double above : {kZero, 0.1, 0.2, 0.3, 0.4}) {
    std::vector<double> between(x);
    for (double& value : between)
      value = value > above && value < kOne - (above > kZero ? above / 2 : 0.0) ? value : 0.0;
    std::vector<int32_t> of;
    int32_t count = 0;
    components(between, kZero, of, count);
    for (int32_t k = 0; k < count; ++k) {
      std::vector<uint8_t> handle(u(n_));
      int32_t size = 0;
      for (int32_t v = 0; v < n_; ++v) size += handle[u(v)] = of[u(v)] == k;
      if (size < 2) continue;
      // Teeth: leaving connections above 1/2; two that share their outer city take it into the handle instead.
      std::vector<int32_t> teeth;
      for (bool again = true; again;) {
        again = false;
        teeth.clear();
        std::vector<int32_t> outer(u(n_), 0);
        for (size_t e = 0; e < connections_.size(); ++e) {
          const auto [a, b] = connections_[e];
          if (handle[u(a)] == handle[u(b)] || x[e] <= 0.5) continue;
          const int32_t out = handle[u(a)] ? b : a;
          if (++outer[u(out)] == 2) {
            handle[u(out)] = 1;
            ++size;
            again = true;
            break;
          }
          teeth.push_back(static_cast<int32_t>(e));
        }
      }
      if (teeth.size() % 2 == 0 && !teeth.empty()) {
        // One more or one less: the connection whose change costs least.
        size_t weakest = 0;
        for (size_t i = 0; i < teeth.size(); ++i) {
          if (x[u(teeth[i])] < x[u(teeth[weakest])]) weakest = i;
        }
        if (x[u(teeth[weakest])] > kOne) continue;
        teeth.erase(teeth.begin() + static_cast<int64_t>(weakest));
      }
      if (teeth.size() < 3 || size > n_ - 2) {
        if (teeth.size() == 1 && size >= 2 && size <= n_ - 2) add(cuts, subtour(handle), x);
        continue;
      }
      LinearRow row;
      for (size_t e = 0; e < connections_.size(); ++e) {
        const bool inside = handle[u(connections_[e].a)] && handle[u(connections_[e].b)];
        if (inside || std::find(teeth.begin(), teeth.end(), static_cast<int32_t>(e)) != teeth.end()) {
          row.column.push_back(static_cast<int32_t>(e));
        }
      }
      row.coefficient.assign(row.column.size(), 1);
      row.rhs = size + static_cast<int32_t>(teeth.size() - 1) / 2;
      add(cuts, std::move(row), x);
    }
  }
}

// Which tight rows, added up and halved, have whole coefficients on the fractional variables and half a unit too much
// on the right: the left kernel, modulo 2, of their coefficients, with the right side as one more column. Variables at
// a bound are rounded by that bound, which is tight as well.
void Separator::add_half_cuts(std::vector<Cut>& cuts, const std::vector<double>& x, const LinearProgram& program,
                              const std::vector<LinearRow>& tight) {
  std::vector<int32_t> index(connections_.size(), -1);
  int32_t fractional = 0;
  for (size_t e = 0; e < connections_.size(); ++e) {
    if (x[e] > kZero && x[e] < kOne) index[e] = fractional++;
  }
  if (fractional == 0) return;
  std::vector<const LinearRow*> rows;
  for (int32_t i = 0; i < program.num_rows(); ++i) {
    const LinearRow& row = program.row(i);
    if (row.equality || std::fabs(activity(row, x) - row.rhs) < kTight) rows.push_back(&row);
  }
  for (const LinearRow& row : tight) rows.push_back(&row);

  const size_t words = u(fractional) / 64 + 1, marks = (rows.size() + 63) / 64;
  struct Line {
    std::vector<uint64_t> bits, of;
  };
  for (int32_t attempt = 0; attempt < 2; ++attempt) {
    std::vector<size_t> order(rows.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::vector<uint64_t> rank(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      uint64_t h = (i + 1) * 0x9E3779B97F4A7C15ull + turn_ * 0xD1B54A32D192ED03ull;
      h ^= h >> 29;
      h *= 0xBF58476D1CE4E5B9ull;
      rank[i] = h >> 32;
    }
    ++turn_;
    std::sort(order.begin(), order.end(), [&](size_t i, size_t k) {
      const size_t a = rows[i]->column.size(), b = rows[k]->column.size();
      if (attempt == 0 && a != b) return a < b;
      return rank[i] < rank[k];
    });
    std::vector<Line> basis;
    std::vector<size_t> pivot;
    for (const size_t i : order) {
      Line line{std::vector<uint64_t>(words), std::vector<uint64_t>(marks)};
      int32_t right = rows[i]->rhs;
      for (size_t k = 0; k < rows[i]->column.size(); ++k) {
        const size_t e = u(rows[i]->column[k]);
        if ((rows[i]->coefficient[k] & 1) == 0) continue;
        if (index[e] >= 0) {
          line.bits[u(index[e]) / 64] ^= uint64_t{1} << (u(index[e]) % 64);
        } else if (x[e] >= kOne) {
          ++right;
        }
      }
      if (right & 1) line.bits[u(fractional) / 64] ^= uint64_t{1} << (u(fractional) % 64);
      line.of[i / 64] |= uint64_t{1} << (i % 64);
      for (size_t k = 0; k < basis.size(); ++k) {
        if ((line.bits[pivot[k] / 64] >> (pivot[k] % 64) & 1) == 0) continue;
        for (size_t w = 0; w < words; ++w) line.bits[w] ^= basis[k].bits[w];
        for (size_t w = 0; w < marks; ++w) line.of[w] ^= basis[k].of[w];
      }
      size_t first = u(fractional);
      for (size_t w = 0; w < words && first == u(fractional); ++w) {
        uint64_t bits = line.bits[w];
        if (w == u(fractional) / 64) bits &= ~(uint64_t{1} << (u(fractional) % 64));
        if (bits != 0) first = w * 64 + static_cast<size_t>(__builtin_ctzll(bits));
      }
      if (first < u(fractional)) {
        basis.push_back(std::move(line));
        pivot.push_back(first);
        continue;
      }
      if ((line.bits[u(fractional) / 64] >> (u(fractional) % 64) & 1) == 0) continue;
      // A cut: half the sum of the marked rows.
      std::vector<int32_t> sum(connections_.size(), 0);
      int32_t rhs = 0;
      for (size_t k = 0; k < rows.size(); ++k) {
        if ((line.of[k / 64] >> (k % 64) & 1) == 0) continue;
        rhs += rows[k]->rhs;
        for (size_t c = 0; c < rows[k]->column.size(); ++c) sum[u(rows[k]->column[c])] += rows[k]->coefficient[c];
      }
      for (size_t e = 0; e < sum.size(); ++e) {
        if ((sum[e] & 1) == 0) continue;
        if (x[e] >= kOne) {
          ++sum[e];
          ++rhs;
        } else {
          --sum[e];
        }
      }
      if ((rhs & 1) == 0) continue;  // rounding noise in x
      for (int32_t& value : sum) value /= 2;
      rhs = (rhs - 1) / 2;
      // Less whole multiples of the degree rows, so that as many coefficients as can be are 0.
      for (int32_t pass = 0; pass < 2; ++pass) {
        for (int32_t v = 0; v < n_; ++v) {
          int32_t counts[2 * kMostCoefficient + 1] = {};
          for (const int32_t e : at_[u(v)]) {
            if (std::abs(sum[u(e)]) <= kMostCoefficient) ++counts[sum[u(e)] + kMostCoefficient];
          }
          int32_t most = 0;
          for (int32_t value = -kMostCoefficient; value <= kMostCoefficient; ++value) {
            if (counts[value + kMostCoefficient] > counts[most + kMostCoefficient]) most = value;
          }
          if (most == 0) continue;
          for (const int32_t e : at_[u(v)]) sum[u(e)] -= most;
          rhs -= 2 * most;
        }
      }
      LinearRow row;
      bool small = true;
      for (size_t e = 0; e < sum.size(); ++e) {
        if (sum[e] == 0) continue;
        small = small && std::abs(sum[e]) <= kMostCoefficient;
        row.column.push_back(static_cast<int32_t>(e));
        row.coefficient.push_back(sum[e]);
      }
      row.rhs = rhs;
      if (small) add(cuts, std::move(row), x);
    }
  }
}

std::vector<LinearRow> Separator::separate(const std::vector<double>& x, const LinearProgram& program, int32_t most) {
  std::vector<Cut> cuts;
  if (!add_subtours_of_components(cuts, x)) {
    std::vector<LinearRow> tight;
    add_minimum_cuts(cuts, x, tight);
    add_blossoms(cuts, x);
    add_half_cuts(cuts, x, program, tight);
  }
  std::stable_sort(cuts.begin(), cuts.end(), [](const Cut& a, const Cut& b) { return a.worth > b.worth; });
  std::vector<LinearRow> chosen;
  for (Cut& cut : cuts) {
    if (static_cast<int32_t>(chosen.size()) == most) break;
    chosen.push_back(std::move(cut.row));
  }
  return chosen;
}

}  // namespace mesa
