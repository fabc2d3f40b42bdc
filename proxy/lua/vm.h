// One Lua state that holds one script, boxed in by a Meter and a Memory.
//
// Ordinary Lua errors travel the ordinary way, by pcall. A limit does not: stop() jumps straight out of the
// Lua machine back to the guard, whatever was running (a hook, the allocator, a library function, a coercion
// inside an operator). So there is nothing to swallow, and neither pcall nor error handlers, __close or __gc
// get another turn. The state is unusable from then on and its memory is dropped without lua_close.
//
// Therefore: code called from Lua (every lua_CFunction here) may be left by longjmp at any Lua call. It keeps
// no object with a destructor in such a frame.
#pragma once

#include <csetjmp>
#include <lua.hpp>
#include <string>
#include <string_view>

#include "lua/memory.h"
#include "lua/meter.h"
#include "lua/outcome.h"
#include "lua/request_view.h"

namespace banyan::lua {

class Vm {
 public:
  // Longer strings stop the script: operators that walk over a string (<, ==, ..) are single instructions, so
  // their length bounds the time between two looks at the clock.
  static constexpr size_t kMaxString = 64 * 1024;
  // The hash part of a table may not grow beyond this many keys in route(): growing re-inserts all of them in
  // a single instruction, in quadratic time if they are numbers chosen to collide. Tables built while loading
  // may be larger.
  static constexpr size_t kMaxGrownKeys = 2048;

  // Where the script's values are on the Lua stack after load().
  static constexpr int kRoute = 1;
  static constexpr int kRequest = 2;
  static constexpr int kTests = 3;    // M.tests or nil
  static constexpr int kTargets = 4;  // M.targets or nil
  static constexpr int kResult = 5;   // after call(): what route() returned

  // `name` is what messages call the script; it must outlive the machine.
  Vm(std::string_view name, const Limits& limits);
  Vm(const Vm&) = delete;
  Vm& operator=(const Vm&) = delete;

  // Builds the sandbox, compiles the source (text only) and runs it, within `wall` and `instructions`. After
  // a failure the machine must not be used any more.
  Failure load(std::string_view source, std::chrono::nanoseconds wall, uint64_t instructions);

  // Runs route(request) within the limits; `started` is now. After `none` and `runtime` the machine goes on;
  // drop() the result. After another failure it must not be used any more.
  Failure call(const RequestView& request, TimePoint started);
  void drop_result() { lua_settop(state_, kTargets); }

  // Why the last call or load failed, with the place in the script where that is known.
  const std::string& message() const { return message_; }
  lua_State* state() const { return state_; }
  size_t memory() const { return memory_.held(); }
  std::string_view name() const { return name_; }

  // ---- for library functions

  static Vm& of(lua_State* state) { return **static_cast<Vm**>(lua_getextraspace(state)); }
  Meter& meter() { return meter_; }
  // Null while the script is being loaded.
  const RequestView* request() const { return request_; }
  bool loading() const { return !loaded_; }
  // Ends the script's run at a limit.
  [[noreturn]] void stop(Failure failure);
  // As above for the limit the meter has reached.
  [[noreturn]] void stop() { stop(meter_.reached()); }
  // A line of the script for the log; at most ten a second, cut to 200 bytes.
  void log(std::string_view text);

 private:
  using Body = void (*)(Vm&);
  bool guarded(Body body);
  void boot();
  void run_route();
  static int build(lua_State* state);
  static void* allocate(void* self, void* block, size_t old_size, size_t new_size);
  static void on_count(lua_State* state, lua_Debug* record);
  void inspect(const void* block, size_t kind, size_t new_size);
  void learn_node_size();
  bool is_large_hash_part(size_t size) const;
  [[noreturn]] void leave(lua_State* state, Failure failure);
  void describe(lua_State* state, Failure failure);
  void take_error();
  void set_hook();

  std::string_view name_;
  Limits limits_;
  Limits running_;  // the limits of the present run, for messages
  Memory memory_;
  Meter meter_;
  lua_State* state_ = nullptr;
  std::jmp_buf guard_;
  bool guard_set_ = false;
  bool loaded_ = false;
  Failure failure_ = Failure::none;
  size_t node_size_ = 0;     // of an entry of a hash part
  size_t newest_block_ = 0;  // size of the last new block
  std::string_view source_;
  std::string chunk_name_;
  const RequestView* request_ = nullptr;
  std::string message_;
  TimePoint log_window_{};
  unsigned log_lines_ = 0;
};

}  // namespace banyan::lua
