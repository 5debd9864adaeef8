// Optimal tours by branch and cut (Padberg and Rinaldi 1991; Applegate et al. 2006), for what branch and bound on
// 1-trees leaves: a linear program over the few connections its filtering left, tightened by the rows of cuts.h. The
// program is solved in floating point; every bound is then made again in whole numbers from its rounded prices, so that
// nothing is concluded from a rounding error. Host only.
#pragma once
#include "branch_and_bound.h"

namespace mesa {

// Goes on where search.solve ended at its node limit. Improves best [n]; returns a lower bound in fine units, the
// tour's own length if it is proved optimal. node_limit: nodes of its own.
int64_t branch_and_cut(const Distances& d, BranchAndBound& search, int64_t node_limit, const uint8_t* stop,
                       uint8_t* best, SearchCounts& counts);
using BranchAndCut = decltype(&branch_and_cut);

}  // namespace mesa
