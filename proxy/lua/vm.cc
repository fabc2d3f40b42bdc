#include "lua/vm.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/log.h"
#include "lua/library.h"

namespace banyan::lua {
namespace {

constexpr uint64_t kHookInterval = 100;   // instructions between two looks at the clock
constexpr size_t kSlowBlock = 16 * 1024;  // moving a block of this size is worth a look at the clock
constexpr size_t kStringOverhead = 64;    // at least the header of a string object
constexpr unsigned kLogLinesPerSecond = 10;
constexpr size_t kLogLine = 200;
constexpr size_t kMessage = 400;

std::string limit_text(Failure failure, const Limits& limits) {
  using std::chrono::duration_cast;
  switch (failure) {
    case Failure::wall:
      return fmt::format("still running after {} ms",
                         duration_cast<std::chrono::milliseconds>(limits.wall).count());
    case Failure::instructions:
      return fmt::format("more than {} instructions", limits.instructions);
    default:
      return fmt::format(
          "out of memory: a script may hold {} KiB, a string {} KiB, a table that grows in route() {} keys",
          limits.memory / 1024, Vm::kMaxString / 1024, Vm::kMaxGrownKeys);
  }
}

}  // namespace

Vm::Vm(std::string_view name, const Limits& limits)
    : name_(name), limits_(limits), running_(limits), memory_(limits.memory), chunk_name_("@") {
  chunk_name_ += name;
}

// ---------------------------------------------------------------- running and stopping

// False when a limit ended the body. Between setjmp and longjmp only C frames and frames without destructors
// exist.
bool Vm::guarded(Body body) {
  guard_set_ = true;
  if (setjmp(guard_) == 0) {
    body(*this);
    guard_set_ = false;
    return true;
  }
  guard_set_ = false;
  return false;
}

void Vm::stop(Failure failure) { leave(state_, failure); }

// `state` is null where the Lua stack must not be looked at, which is inside the allocator.
void Vm::leave(lua_State* state, Failure failure) {
  CHECK(guard_set_);
  failure_ = failure;
  describe(state, failure);
  std::longjmp(guard_, 1);
}

void Vm::describe(lua_State* state, Failure failure) {
  lua_Debug record;
  std::string place = std::string(name_) + ": ";
  for (int level = 0; state && level < 3 && lua_getstack(state, level, &record); ++level) {
    lua_getinfo(state, "Sl", &record);
    if (record.currentline <= 0) continue;
    place = fmt::format("{}:{}: ", record.short_src, record.currentline);
    break;
  }
  message_ = place + limit_text(failure, running_);
}

void Vm::on_count(lua_State* state, lua_Debug*) {
  Vm& vm = of(state);
  if (!vm.meter_.spend(std::min(kHookInterval, vm.running_.instructions)) || !vm.meter_.in_time()) {
    vm.leave(state, vm.meter_.reached());
  }
}

// Sets the counter back too, so the same call always ends at the same instruction.
void Vm::set_hook() {
  auto interval = static_cast<int>(std::clamp<uint64_t>(running_.instructions, 1, kHookInterval));
  lua_sethook(state_, on_count, LUA_MASKCOUNT, interval);
}

// ---------------------------------------------------------------- memory

void* Vm::allocate(void* self, void* block, size_t old_size, size_t new_size) {
  Vm& vm = *static_cast<Vm*>(self);
  if (new_size == 0) {
    if (block) vm.memory_.release(block, old_size);
    return nullptr;
  }
  vm.inspect(block, old_size, new_size);
  void* memory = block ? vm.memory_.resize(block, old_size, new_size) : vm.memory_.allocate(new_size);
  // Returning null would start an emergency collection, which nothing can interrupt, and then a catchable
  // error.
  if (!memory) vm.leave(nullptr, Failure::memory);
  return memory;
}

// For a new block `kind` is the type of the object it is for, or 0 for a part of one (Lua manual, lua_Alloc).
void Vm::inspect(const void* block, size_t kind, size_t new_size) {
  if (!block) newest_block_ = new_size;
  if (new_size < kSlowBlock) return;
  bool long_text = !block && kind == LUA_TSTRING && new_size > kMaxString + kStringOverhead;
  bool grown_table = !block && kind == 0 && loaded_ && is_large_hash_part(new_size);
  if (long_text || grown_table) leave(nullptr, Failure::memory);
  if (!meter_.in_time()) leave(nullptr, Failure::wall);
}

// A hash part is a new block of a power of two of entries. Other blocks of just such a size are rare, and
// refusing one in route() is harmless.
bool Vm::is_large_hash_part(size_t size) const {
  return size % node_size_ == 0 && std::has_single_bit(size / node_size_) &&
         size / node_size_ > kMaxGrownKeys;
}

// Lua does not tell the size of an entry; it is seen from a table made for 256.
void Vm::learn_node_size() {
  lua_createtable(state_, 0, 256);
  node_size_ = newest_block_ / 256;
  lua_pop(state_, 1);
}

// ---------------------------------------------------------------- loading

Failure Vm::load(std::string_view source, std::chrono::nanoseconds wall, uint64_t instructions) {
  source_ = source;
  running_ = {wall, instructions, limits_.memory};
  meter_.start(wall, instructions, MonotonicClock::now());
  failure_ = Failure::none;
  bool finished = guarded([](Vm& vm) { vm.boot(); });
  // Compiling and single instructions cannot be interrupted, so what they took is looked at afterwards.
  if (finished && failure_ == Failure::none && !meter_.in_time()) {
    failure_ = Failure::wall;
    describe(nullptr, failure_);
  }
  source_ = {};
  loaded_ = true;
  running_ = limits_;
  return failure_;
}

void Vm::boot() {
  state_ = lua_newstate(allocate, this);
  *static_cast<Vm**>(lua_getextraspace(state_)) = this;
  lua_pushcfunction(state_, build);
  if (lua_pcall(state_, 0, kTargets, 0) != LUA_OK) take_error();
}

// Runs in protected mode; returns route, the request object, M.tests and M.targets.
int Vm::build(lua_State* state) {
  Vm& vm = of(state);
  vm.learn_node_size();
  push_environment(state);
  const char* chunk_name = vm.chunk_name_.c_str();
  if (luaL_loadbufferx(state, vm.source_.data(), vm.source_.size(), chunk_name, "t") != LUA_OK) {
    return lua_error(state);
  }
  lua_pushvalue(state, -2);
  lua_setupvalue(state, -2, 1);
  vm.set_hook();
  lua_call(state, 0, 1);
  const char* name = vm.chunk_name_.c_str() + 1;
  if (!lua_istable(state, -1)) {
    return luaL_error(state, "%s: the script must return a table with a function route, not a %s", name,
                      luaL_typename(state, -1));
  }
  lua_pushliteral(state, "route");
  if (lua_rawget(state, -2) != LUA_TFUNCTION) {
    return luaL_error(state, "%s: the returned table must have a function route, not a %s", name,
                      luaL_typename(state, -1));
  }
  push_request(state);
  lua_pushliteral(state, "tests");
  lua_rawget(state, -4);
  lua_pushliteral(state, "targets");
  lua_rawget(state, -5);
  return 4;
}

// ---------------------------------------------------------------- calling

Failure Vm::call(const RequestView& request, TimePoint started) {
  request_ = &request;
  meter_.start(limits_.wall, limits_.instructions, started);
  failure_ = Failure::none;
  guarded([](Vm& vm) { vm.run_route(); });
  request_ = nullptr;
  return failure_;
}

void Vm::run_route() {
  set_hook();
  lua_pushvalue(state_, kRoute);
  lua_pushvalue(state_, kRequest);
  if (lua_pcall(state_, 1, 1, 0) != LUA_OK) take_error();
}

// The error value is on the top. Only a string says something: asking others for __tostring would run the
// script.
void Vm::take_error() {
  failure_ = Failure::runtime;
  size_t size = 0;
  if (lua_type(state_, -1) == LUA_TSTRING) {
    const char* text = lua_tolstring(state_, -1, &size);
    message_.assign(text, std::min(size, kMessage));
  } else {
    message_ = fmt::format("{}: error value is a {}", name_, luaL_typename(state_, -1));
  }
}

void Vm::log(std::string_view text) {
  TimePoint now = MonotonicClock::now();
  if (now - log_window_ >= std::chrono::seconds(1)) {
    if (log_lines_ > kLogLinesPerSecond) {
      LOG(info, "{}: {} more lines left out", name_, log_lines_ - kLogLinesPerSecond);
    }
    log_window_ = now;
    log_lines_ = 0;
  }
  if (++log_lines_ <= kLogLinesPerSecond) LOG(info, "{}: {}", name_, text.substr(0, kLogLine));
}

}  // namespace banyan::lua
