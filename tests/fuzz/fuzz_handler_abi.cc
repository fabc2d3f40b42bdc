// A shared object that calls anything of handler/abi.h in any order with any arguments, as the fuzzer says:
// contracts with the rest of the house hold (FakeCall checks them), and none of its functions is called
// inside one of its own calls.
#include <array>
#include <string>
#include <vector>

#include "base/log.h"
#include "fuzz/input.h"
#include "handler/abi_bridge.h"
#include "support/fake_call.h"
#include "support/fake_worker.h"

namespace banyan::fuzz {
namespace {

// The plug-in. The interface gives create() nothing to find its state by, so it is here.
struct Plugin {
  const banyan_host* host = nullptr;
  Input* input = nullptr;
  banyan_call* call = nullptr;
  std::vector<banyan_waker*> wakers;
  bool responded = false;
  bool ended = false;   // end() after respond(), or fail(), was called
  bool inside = false;  // one of its functions is running
  int sessions = 0;
};
Plugin plugin;

class Inside {
 public:
  Inside() {
    CHECK(!plugin.inside);
    plugin.inside = true;
  }
  ~Inside() { plugin.inside = false; }
};

banyan_text text(std::string_view view) { return {view.data(), view.size()}; }

void say(Input& input, uint8_t order) {
  const banyan_host& host = *plugin.host;
  banyan_call* call = plugin.call;
  banyan_text piece{};
  switch (order % 18) {
    case 0: {
      std::array<banyan_field, 4> fields{};
      const size_t count = input.byte() % 5;
      for (size_t i = 0; i < count; ++i) {
        fields[i].name = text(input.sized_text());
        fields[i].value = text(input.sized_text());
      }
      const int status = static_cast<int16_t>(input.word());
      plugin.responded |=
          host.respond(call, status, fields.data(), count, static_cast<int16_t>(input.word())) == 0;
      break;
    }
    case 1:
      plugin.responded |= host.respond(call, 200, nullptr, 0, -1) == 0;
      break;
    case 2:
      host.write(call, text(input.sized_text()));
      break;
    case 3:
      host.write(call, text(std::string(input.word() * 2, 'x')));
      break;
    case 4:
      host.end(call);
      plugin.ended |= plugin.responded;
      break;
    case 5:
      host.fail(call, static_cast<int16_t>(input.word()), text(input.sized_text()));
      plugin.ended = true;
      break;
    case 6:
      host.read(call, &piece);
      break;
    case 7:
      host.consume(call, input.word());
      break;
    case 8:
      host.set_timer(call, input.byte() % 2 == 0 ? 0 : ~uint64_t{0});
      break;
    case 9:
      host.clear_timer(call);
      break;
    case 10:
      if (banyan_waker* waker = host.waker_new(call)) plugin.wakers.push_back(waker);
      break;
    case 11:
      if (!plugin.wakers.empty()) host.waker_wake(plugin.wakers[input.byte() % plugin.wakers.size()]);
      break;
    case 12:
      host.field_at(call, input.byte());
      break;
    case 13:
      host.find_field(call, text(input.sized_text()), &piece);
      break;
    case 14:
      host.log(static_cast<int8_t>(input.byte()), text(input.sized_text()));
      break;
    case 15:
      host.time_left(call);
      break;
    case 16:
      host.body_size(call);
      break;
    default:
      host.path(call);
      break;
  }
}

// Orders up to the one that says "enough for now".
void act() {
  Input& input = *plugin.input;
  while (!input.empty()) {
    const uint8_t order = input.byte();
    if (order >= 0xf0) return;
    say(input, order);
  }
}

void* create(const banyan_host* host, banyan_setup* setup) {
  Inside inside;
  plugin.host = host;
  const uint8_t how = plugin.input->byte();
  if (how == 0xff) host->refuse(setup, text(plugin.input->sized_text()));
  host->option_at(setup, how);
  return how == 0xff ? nullptr : &plugin;
}

void* open(void*, banyan_call* call) {
  Inside inside;
  plugin.call = call;
  plugin.responded = plugin.ended = false;
  act();
  // Null may only be said when it has ended; also when it has not, which is the plug-in's mistake.
  if (plugin.input->byte() % 4 == 0) return nullptr;
  ++plugin.sessions;
  return &plugin;
}

void ready(void*, uint32_t events) {
  Inside inside;
  CHECK(events != 0 && events < 16 && !plugin.ended && plugin.sessions == 1);
  act();
}

void close(void*) {
  Inside inside;
  CHECK(plugin.sessions == 1);
  --plugin.sessions;
  act();  // forbidden, and must do no harm
}

void destroy(void*) {
  Inside inside;
  CHECK(plugin.sessions == 0);
}

constexpr banyan_handler_table kTable = {sizeof kTable, BANYAN_ABI_VERSION, create, open, ready, close,
                                         destroy};

void turn_some(event::Loop& loop) {
  struct Nothing {
    void happens() {}
  } nothing;
  event::Deferred notice(loop, Callback::to<&Nothing::happens>(&nothing));
  for (int i = 0; i < 4; ++i) {
    notice.schedule_next_turn();  // so that the turn waits for nothing
    loop.turn();
  }
}

void check(Input input) {
  static testing::FakeWorker worker;
  plugin.input = &input;
  testing::FakeRequest request{.method = input.byte() % 4 == 0 ? "HEAD" : "POST", .path = "/x"};
  request.fields.emplace_back("X-User", "4711");
  const uint8_t body = input.byte();
  if (body < 250) {
    request.body = std::string(body, 'b');
  } else {
    request.body = std::nullopt;
  }
  auto handler = handler::make_abi_handler(kTable, "fuzz", {{"a", "b"}}, worker.services);
  if (handler.ok()) {
    testing::FakeCall call(worker.loop, request);
    call.open(**handler);
    turn_some(worker.loop);
    if (!request.body) call.break_request(client_error(400, "gone"));
    call.hold_back(input.byte() % 2 == 0);
    turn_some(worker.loop);
    call.hang_up();
  }
  for (banyan_waker* waker : plugin.wakers) {
    plugin.host->waker_wake(waker);
    plugin.host->waker_free(waker);
  }
  plugin.wakers.clear();
  turn_some(worker.loop);
}

}  // namespace
}  // namespace banyan::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  banyan::log::set_sink([](void*, std::string_view) {}, nullptr);
  if (size <= 4096) banyan::fuzz::check({data, size});
  return 0;
}
