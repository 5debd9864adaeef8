// The GPU's loops over one world's slots, on the caller's stream: a slot a thread, or, where what is shown is wide, a
// slot a warp (Needs, core/batch.h). Nothing is allocated or waited for after construction, so a step can be captured
// in a CUDA graph. No rules here. The build makes a file of each world in worlds/all.h (cuda_world.cu.in).
#pragma once
#include "bound.h"
#include "cuda_launch.h"
#include "cuda_slots.h"
#include "cuda_worlds.h"

namespace mesa {

// A slot a thread. Slots whose next episode needs memory to begin in, as mazes do, are left to begin_kernel: a few long
// resets would hold up the warps they are in. kThin: W is the Thin of some world, and all its slots are left for later.
template <class W, bool kThin>
__global__ void __launch_bounds__(kThreadsPerBlock, kThin ? 8 : 1)
    step_kernel(const __grid_constant__ Batch<W> batch, const __grid_constant__ Staging staging, Pending pending,
                Workplaces places, Faults faults) {
  const bool stages = staging.stages();
  Arrays& staged = *reinterpret_cast<Arrays*>(shared_memory());
  const Arrays& observation = stages ? staged : batch.memory.observation;
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  const OneLane lanes;
  for (int64_t first = int64_t{blockIdx.x} * blockDim.x; first < batch.num_slots; first += stride) {
    if (stages) {
      if (threadIdx.x == 0) staging.lay_out(batch.memory.observation, first, shared_memory(), staged);
      __syncthreads();
    }
    const int64_t slot = first + threadIdx.x;
    if (slot < batch.num_slots) {
      const Scratch scratch = places.scratch(int64_t{blockIdx.x} * blockDim.x + threadIdx.x);
      const Act act = act_in_slot(batch, batch, slot, observation, lanes, scratch);
      if (act.fault != Fault::kNone) {
        faults.report(act.fault, slot, batch.memory.action[slot]);
        if (stages) staging.keep_row(batch.memory.observation, slot, observation);
      } else if (act.begins) {
        if (kThin || pending.slots) {
          pending.add(slot);
        } else if constexpr (!kThin) {
          begin_next(batch, slot, observation, lanes, scratch);
        }
      }
    }
    if (stages) {
      __syncthreads();
      staging.copy_out(batch.memory.observation, first, batch.num_slots, observation);
      __syncthreads();
    }
  }
}

template <class W>
__global__ void __launch_bounds__(kThreadsPerBlock)
    begin_kernel(const __grid_constant__ Batch<W> batch, Pending pending, Workplaces places) {
  const int64_t thread = int64_t{blockIdx.x} * blockDim.x + threadIdx.x, stride = int64_t{gridDim.x} * blockDim.x;
  const int64_t count = *pending.count;
  for (int64_t i = thread; i < count; i += stride)
    begin_next(batch, pending.slots[i], batch.memory.observation, OneLane{}, places.scratch(thread));
}

// A slot a warp: one lane plays, all of them write what is shown.
template <class W>
__global__ void __launch_bounds__(kThreadsPerBlock)
    step_wide_kernel(const __grid_constant__ Batch<W> batch, Workplaces places, Faults faults) {
  const WarpLanes lanes;
  const int64_t warp = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / 32;
  const int64_t stride = int64_t{gridDim.x} * blockDim.x / 32;
  const Scratch scratch = places.scratch(warp);
  for (int64_t slot = warp; slot < batch.num_slots; slot += stride) {
    const Act act = act_in_slot(batch, batch, slot, batch.memory.observation, lanes, scratch);
    if (act.fault != Fault::kNone && lanes.leads()) faults.report(act.fault, slot, batch.memory.action[slot]);
    if (act.begins) begin_next(batch, slot, batch.memory.observation, lanes, scratch);
  }
}

template <class W, class Lanes>
__global__ void __launch_bounds__(kThreadsPerBlock)
    reset_kernel(const __grid_constant__ Batch<W> batch, ResetRequest request, Workplaces places) {
  const Lanes lanes;
  const int64_t worker = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / lanes.size();
  const int64_t stride = int64_t{gridDim.x} * blockDim.x / lanes.size();
  for (int64_t slot = worker; slot < batch.num_slots; slot += stride)
    reset_if_asked(batch, request, slot, lanes, places.scratch(worker));
}

template <class W>
class CudaBackend final : public Bound<W> {
 public:
  CudaBackend(const Options& options, const Settings& settings, int device)
      : Bound<W>(options, settings), device_(device) {
    const OnDevice here(device_);
    told_ = HostMemory(sizeof(SharedFault));
    *told_.template as<SharedFault>() = SharedFault{};
    ticket_ = DeviceMemory(sizeof(int32_t));
    CUDA_CHECK(cudaMemset(ticket_.template as<void>(), 0, sizeof(int32_t)));
    faults_ = {told_.template as<SharedFault>(), ticket_.template as<int32_t>()};
    const int64_t slots = settings.num_envs, lanes = is_wide() ? 32 : 1;
    places_.bytes = (this->needs_.scratch() + 15) / 16 * 16;
    workers_ = places_.bytes > 0 ? std::min(slots, std::max<int64_t>(1, kMostScratch / places_.bytes)) : slots;
    workers_ = blocks_for(workers_ * lanes, kThreadsPerBlock) * int64_t{kThreadsPerBlock} / lanes;  // whole blocks
    scratch_ = DeviceMemory(workers_ * places_.bytes);
    places_.memory = scratch_.template as<uint8_t>();
    if (!is_wide() && this->needs_.reset_scratch > 0) {
      pending_memory_ = DeviceMemory(16 + 4 * slots);
      pending_ = {pending_memory_.template as<unsigned long long>(), pending_memory_.template as<uint32_t>() + 4};
    }
  }

  void reset(const ResetRequest& request, void* stream) override {
    const auto lock = this->own();
    const OnDevice here(device_);
    const auto on = static_cast<cudaStream_t>(stream);
    if (!request.mask) CUDA_CHECK(launch(&forget_faults, 1, 1, 0, on, faults_));
    if constexpr (may_be_wide<W>) {
      if (is_wide()) {
        CUDA_CHECK(launch(&reset_kernel<W, WarpLanes>, blocks_of_workers(32), kThreadsPerBlock, 0, on, this->batch_,
                          request, places_));
        return;
      }
    }
    CUDA_CHECK(launch(&reset_kernel<W, OneLane>, blocks_of_workers(1), kThreadsPerBlock, 0, on, this->batch_, request,
                      places_));
  }

  FaultReport step(void* stream) override {
    const auto lock = this->own();
    const OnDevice here(device_);
    launch_step(static_cast<cudaStream_t>(stream));
    return seen_fault(static_cast<cudaStream_t>(stream));
  }

  FaultReport fault(void* stream) override {
    const auto lock = this->own();
    const OnDevice here(device_);
    return seen_fault(static_cast<cudaStream_t>(stream));
  }

 private:
  bool is_wide() const { return may_be_wide<W> && this->needs_.wide; }
  unsigned blocks_of_workers(int64_t lanes) const { return blocks_for(workers_ * lanes, kThreadsPerBlock); }

  void launch_step(cudaStream_t on) {
    if constexpr (may_be_wide<W>) {
      if (is_wide()) {
        CUDA_CHECK(launch(&step_wide_kernel<W>, blocks_of_workers(32), kThreadsPerBlock, 0, on, this->batch_, places_,
                          faults_));
        return;
      }
    }
    if (pending_.slots) CUDA_CHECK(cudaMemsetAsync(pending_.count, 0, sizeof *pending_.count, on));
    const int64_t workers = this->needs_.step_scratch > 0 ? workers_ : this->batch_.num_slots;
    const unsigned slot_blocks = blocks_for(workers, staging_.threads);
    const auto launch_kernel = [&](auto kernel, const auto& batch) {
      CUDA_CHECK(launch(kernel, slot_blocks, staging_.threads, staging_.shared_bytes(), on, batch, staging_, pending_,
                        places_, faults_));
    };
    if constexpr (has_thin<W>) {
      if (W::is_thin(this->batch_.config)) {
        launch_kernel(&step_kernel<typename W::Thin, true>, this->batch_.template as<typename W::Thin>());
      } else {
        launch_kernel(&step_kernel<W, false>, this->batch_);
      }
    } else {
      launch_kernel(&step_kernel<W, false>, this->batch_);
    }
    if (!pending_.slots) return;
    const unsigned blocks = blocks_of_workers(1);
    CUDA_CHECK(launch(&begin_kernel<W>, blocks, kThreadsPerBlock, 0, on, this->batch_, pending_, places_));
  }
  FaultReport seen_fault(cudaStream_t on) {
    const volatile SharedFault* told = faults_.told;
    if (told->fault == 0 || is_capturing(on)) return {};
    CUDA_CHECK(cudaStreamSynchronize(on));
    const FaultReport report{static_cast<Fault>(told->fault), told->slot, told->action};
    faults_.told->fault = 0;
    CUDA_CHECK(cudaMemsetAsync(faults_.ticket, 0, sizeof *faults_.ticket, on));
    return report;
  }

  int device_;
  int64_t workers_ = 0;  // threads, or warps, that each have scratch of their own
  HostMemory told_;      // freed last: freeing device memory waits for what still runs
  DeviceMemory ticket_, scratch_, pending_memory_;
  const Staging staging_ = Staging::of(this->spec_.observation);
  Faults faults_{};
  Workplaces places_{};
  Pending pending_{};
};

template <class W>
std::unique_ptr<Backend> make_cuda_world(const Options& options, const Settings& settings, int device) {
  return std::make_unique<CudaBackend<W>>(options, settings, device);
}

#define MESA_CUDA_WORLD(World) const CudaWorld cuda_##World{World::kId, &make_cuda_world<World>};

}  // namespace mesa
