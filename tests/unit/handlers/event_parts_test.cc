// The parts of event_dispatch that need no log: names and queries, forms on the wire, queues, the wheel,
// commands.
#include <gtest/gtest.h>

#include <set>

#include "handlers/event_dispatch/channel_names.h"
#include "handlers/event_dispatch/commands.h"
#include "handlers/event_dispatch/out_queue.h"
#include "handlers/event_dispatch/wheel.h"
#include "handlers/event_dispatch/wire.h"
#include "http/ws_frame.h"

namespace banyan::handlers {
namespace {

using shm::EventKind;

// ---------------------------------------------------------------- names and queries

TEST(EventPlace, NamesWhatStandsBehindThePrefix) {
  using Kind = EventPlace::Kind;
  EXPECT_EQ(parse_event_place("/live/", "/live/")->kind, Kind::nothing);
  EXPECT_EQ(parse_event_place("/live", "/live")->kind, Kind::nothing);
  EXPECT_EQ(parse_event_place("/live/_channels", "/live/")->kind, Kind::all_pages);
  const auto page = parse_event_place("/live/_channels/a%20b", "/live/");
  EXPECT_EQ(page->kind, Kind::one_page);
  EXPECT_EQ(page->channel, "a b");
  const auto channel = parse_event_place("/live/orders/%C3%A9", "/live/");
  EXPECT_EQ(channel->kind, Kind::channel);
  EXPECT_EQ(channel->channel, "orders/\xc3\xa9");
}

TEST(EventPlace, RefusesNamesThatWillNotDo) {
  for (const std::string name :
       {"%00", "a%0ab", "%7F", "%", "%4", "%zz", "%FF", "%ED%A0%80", "%C2%80", "a%C2%9Fb", "%C2"}) {
    const auto place = parse_event_place("/p/" + name, "/p/");
    ASSERT_FALSE(place.ok()) << name;
    EXPECT_EQ(place.error().status, 400);
  }
  EXPECT_TRUE(parse_event_place("/p/" + std::string(200, 'x'), "/p/").ok());
  EXPECT_FALSE(parse_event_place("/p/" + std::string(201, 'x'), "/p/").ok());
  EXPECT_STREQ(channel_name_problem(""), "the channel has no name");
  EXPECT_NE(channel_name_problem("_channels"), nullptr);
  EXPECT_NE(channel_name_problem("_channels/x"), nullptr);
  EXPECT_EQ(channel_name_problem("_channelsx"), nullptr);
  EXPECT_STREQ(channel_name_problem("a\xc2\x85"), "the channel's name has control characters in it");
  EXPECT_EQ(channel_name_problem("\xc2\xa0\xc3\x80"), nullptr);
}

TEST(EventQuery, ReadsChannelsAndPlaces) {
  const auto query = parse_event_query("channel=b&x=1&channel=c+d&channel=b&since=7:12,9:1&wait=30s", "a");
  ASSERT_TRUE(query.ok());
  EXPECT_EQ(query->channels, (std::vector<std::string>{"a", "b", "c d"}));
  ASSERT_EQ(query->since.size(), 2u);
  EXPECT_EQ(query->since[0].after, (shm::EventId{7, 12}));
  EXPECT_EQ(query->since[1].after, (shm::EventId{9, 1}));
  EXPECT_EQ(query->wait, Millis(30'000));
  EXPECT_TRUE(parse_event_query("since=first", "a")->since[0].from_first);
}

TEST(EventQuery, RefusesWhatMakesNoSense) {
  for (const char* query : {"channel=", "channel=%", "since=7", "since=x", "since=7:1,", "since=,7:1",
                            "since=7:1,7:2", "since=7:1&since=first", "since=,", "wait=soon", "wait=%4"}) {
    EXPECT_FALSE(parse_event_query(query, "a").ok()) << query;
  }
  EXPECT_TRUE(parse_event_query("since=", "a")->since.empty());
  EXPECT_EQ(parse_event_query("x=1", "").error().message, "no channel is named");
}

TEST(EventQuery, LastEventIdIsNeverWrong) {
  const auto good = parse_last_event_id("7:12,9:1");
  ASSERT_EQ(good.size(), 2u);
  EXPECT_EQ(good[1].after, (shm::EventId{9, 1}));
  const auto bad = parse_last_event_id("of-another-server");
  ASSERT_EQ(bad.size(), 1u);
  EXPECT_TRUE(bad[0].wanted);
  EXPECT_FALSE(bad[0].after);
}

// ---------------------------------------------------------------- forms

std::string wire(const Form& form, const StoredEvent& event, std::string_view id = {}) {
  std::string out;
  append_event(out, form, "x", event, id);
  return out;
}

// The payload of one unmasked frame.
std::string payload(const std::string& frame) {
  const http::WsHeadParse head = http::parse_ws_head(std::string_view(frame).substr(0, http::kLongestWsHead));
  return frame.substr(head.head_size);
}

TEST(EventWire, EnvelopesCarryWhatWasPublished) {
  const Form form{Dress::envelope, 0};
  EXPECT_EQ(payload(wire(form, {{7, 12}, EventKind::json, "[1]"})),
            R"({"channel":"x","epoch":7,"offset":12,"data":[1]})");
  EXPECT_EQ(payload(wire(form, {{7, 12}, EventKind::text, "a\"b"})),
            R"({"channel":"x","epoch":7,"offset":12,"data":"a\"b"})");
  EXPECT_EQ(payload(wire(form, {{7, 12}, EventKind::binary, std::string("\xff\0", 2)})),
            R"({"channel":"x","epoch":7,"offset":12,"data_base64":"/wA="})");
}

TEST(EventWire, PlainMessagesAreTheEvents) {
  EXPECT_EQ(wire({}, {{7, 12}, EventKind::json, "[1]"}), "\x81\x03[1]");
  EXPECT_EQ(wire({}, {{7, 12}, EventKind::binary, "\xff"}), "\x82\x01\xff");
  EXPECT_EQ(wire({}, {{7, 12}, EventKind::text, ""}), std::string("\x81\0", 2));
}

TEST(EventWire, PresenceIsMarkedAndNotForPlainMessages) {
  const StoredEvent event{{7, 12}, EventKind::presence, R"({"event":"join"})"};
  EXPECT_EQ(wire({}, event), "");
  EXPECT_EQ(payload(wire({Dress::envelope, 0}, event)),
            R"({"channel":"x","epoch":7,"offset":12,"type":"presence","data":{"event":"join"}})");
  EXPECT_EQ(wire({Dress::sse, 0}, event), "id: 7:12\nevent: presence\ndata: {\"event\":\"join\"}\n\n");
}

TEST(EventWire, StreamsSplitLinesAtEveryLineBreak) {
  const Form form{Dress::sse, 0};
  EXPECT_EQ(wire(form, {{7, 12}, EventKind::text, "a\nb\rc\r\nd"}),
            "id: 7:12\ndata: a\ndata: b\ndata: c\ndata: d\n\n");
  EXPECT_EQ(wire(form, {{7, 12}, EventKind::text, "evil\n\nid: 9\n"}),
            "id: 7:12\ndata: evil\ndata: \ndata: id: 9\ndata: \n\n");
  EXPECT_EQ(wire(form, {{7, 12}, EventKind::text, ""}, "7:12,9:0"), "id: 7:12,9:0\ndata: \n\n");
  EXPECT_EQ(wire(form, {{7, 12}, EventKind::binary, "\xff"}), "id: 7:12\nevent: binary\ndata: /w==\n\n");
}

TEST(EventWire, CompressesWhatBecomesSmaller) {
  const Form form{Dress::plain, 15};
  const std::string text(1000, 'a');
  const std::string frame = wire(form, {{7, 12}, EventKind::text, text});
  EXPECT_LT(frame.size(), 100u);
  EXPECT_EQ(frame[0] & 0x40, 0x40);
  http::WsInflate inflate;
  std::string out;
  ASSERT_EQ(inflate.add(payload(frame), 2000, out), http::WsInflate::Outcome::ok);
  ASSERT_EQ(inflate.finish(2000, out), http::WsInflate::Outcome::ok);
  EXPECT_EQ(out, text);
  EXPECT_EQ(wire(form, {{7, 12}, EventKind::text, "short"}), "\x81\x05short");
}

// ---------------------------------------------------------------- runs and queues

RunRef make_run(std::vector<std::string> messages, uint64_t first_offset = 1) {
  RunRef run = RunRef::make();
  run->first_offset = first_offset;
  for (const std::string& message : messages) {
    run->bytes += message;
    run->ends.push_back(run->size());
  }
  return run;
}

TEST(EventRun, KnowsItsMessages) {
  const RunRef run = make_run({"aa", "bbb", "c"}, 10);
  EXPECT_EQ(run->begin_of_message(0), 0u);
  EXPECT_EQ(run->begin_of_message(1), 0u);
  EXPECT_EQ(run->begin_of_message(2), 2u);
  EXPECT_EQ(run->end_of_message(2), 5u);
  EXPECT_EQ(run->messages(0, 6), 3u);
  EXPECT_EQ(run->messages(1, 5), 2u);
  EXPECT_EQ(run->begin_after(3), 0u);
  EXPECT_EQ(run->begin_after(9), 0u);
  EXPECT_EQ(run->begin_after(10), 2u);
  EXPECT_EQ(run->begin_after(12), 6u);
  EXPECT_EQ(run->begin_after(99), 6u);
}

TEST(EventRun, CountsItsMemoryOnceUntilTheLastIsGone) {
  uint64_t held = 0;
  {
    RunRef run = make_run({std::string(1000, 'x')});
    RunRef other = run;
    run.count_in(held);
    other.count_in(held);
    EXPECT_GE(held, 1000u);
    EXPECT_LT(held, 2000u);
    run = RunRef();
    EXPECT_GE(held, 1000u);
  }
  EXPECT_EQ(held, 0u);
}

RunPart whole(const RunRef& run) { return {run, 0, run->size()}; }

std::string content(const OutQueue& queue) {
  std::array<iovec, 16> parts;
  std::string all;
  const size_t count = queue.gather(parts);
  for (size_t i = 0; i < count; ++i) all.append(static_cast<char*>(parts[i].iov_base), parts[i].iov_len);
  return all;
}

TEST(OutQueue, ForgetsWhatWentOut) {
  OutQueue queue;
  queue.add(whole(make_run({"aa", "bb"})));
  queue.add(whole(make_run({"cc"})));
  EXPECT_EQ(queue.bytes(), 6u);
  EXPECT_EQ(queue.messages(), 3u);
  queue.sent(3, 2, false);
  EXPECT_EQ(content(queue), "bcc");
  EXPECT_EQ(queue.messages(), 2u);
  queue.sent(3, 2, false);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.messages(), 0u);
}

TEST(OutQueue, DropsWholeMessagesButNeverWhatHasBegun) {
  OutQueue queue;
  queue.add(whole(make_run({"aaaa", "bb", "cc"})));
  queue.add(whole(make_run({"dd"})));
  queue.sent(1, 2, false);
  EXPECT_EQ(queue.drop_oldest(7, 100), 1u);
  EXPECT_EQ(content(queue), "aaaccdd");
  queue.add_in_front({make_run({"!"}), 0, 1});
  EXPECT_EQ(content(queue), "aaa!ccdd");
  EXPECT_EQ(queue.drop_free(), 3u);
  EXPECT_EQ(content(queue), "aaa");
  EXPECT_EQ(queue.bytes(), 3u);
  EXPECT_EQ(queue.messages(), 1u);
}

TEST(OutQueue, BetweenMessagesEverythingMayBeDropped) {
  OutQueue queue;
  queue.add(whole(make_run({"aa", "bb", "cc"})));
  queue.sent(2, 1, false);
  EXPECT_EQ(queue.drop_oldest(100, 1), 1u);
  EXPECT_EQ(content(queue), "cc");
}

TEST(OutQueue, KeepsWhatMayBeEncryptedAlready) {
  OutQueue queue;
  queue.add(whole(make_run({"aa", "bb"})));
  queue.sent(0, 1, true);
  queue.add(whole(make_run({"cc"})));
  EXPECT_EQ(queue.drop_free(), 1u);
  EXPECT_EQ(content(queue), "aabb");
}

TEST(OutQueue, ManyPartsInARow) {
  OutQueue queue;
  for (int i = 0; i < 1000; ++i) {
    queue.add(whole(make_run({"x"})));
    if (i % 2) queue.sent(1, 1, false);
  }
  EXPECT_EQ(queue.bytes(), 500u);
  EXPECT_EQ(queue.drop_oldest(10, 1000), 490u);
  EXPECT_EQ(content(queue), std::string(10, 'x'));
}

// ---------------------------------------------------------------- the wheel

struct Turned : WheelEntry {
  int visits = 0;
};

TEST(Wheel, VisitsWhenTheTimeHasCome) {
  Wheel wheel;
  Turned soon, late, never;
  wheel.put(soon, Millis(300));
  wheel.put(late, Millis(60'000));
  wheel.put(never, Millis(100));
  wheel.take_out(never);
  EXPECT_EQ(wheel.size(), 2u);
  const auto turn = [&](int ticks) {
    for (int i = 0; i < ticks; ++i) {
      wheel.tick([](WheelEntry& entry) { ++static_cast<Turned&>(entry).visits; });
    }
  };
  turn(2);
  EXPECT_EQ(soon.visits, 0);
  turn(1);
  EXPECT_EQ(soon.visits, 1);
  turn(596);
  EXPECT_EQ(late.visits, 0);
  turn(1);
  EXPECT_EQ(late.visits, 1);
  EXPECT_EQ(never.visits, 0);
}

TEST(Wheel, AVisitMayMoveAndTakeOut) {
  Wheel wheel;
  Turned again, gone;
  wheel.put(again, Millis(100));
  wheel.put(gone, Millis(100));
  for (int i = 0; i < 10; ++i) {
    wheel.tick([&](WheelEntry& entry) {
      ++static_cast<Turned&>(entry).visits;
      &entry == &gone ? wheel.take_out(entry) : wheel.put(entry, Millis(100));
    });
  }
  EXPECT_EQ(again.visits, 10);
  EXPECT_EQ(gone.visits, 1);
  int all = 0;
  wheel.each([&](WheelEntry& entry) {
    ++all;
    wheel.put(entry, Wheel::kTick * (all + 3));  // further on, where it must not be met again
  });
  EXPECT_EQ(all, 1);
}

// ---------------------------------------------------------------- commands

TEST(Commands, AreRead) {
  Command command;
  CommandError error;
  ASSERT_TRUE(parse_command(R"({"type":"subscribe","channel":"x","since":"7:1","id":5})", command, error));
  EXPECT_EQ(command.type, Command::Type::subscribe);
  EXPECT_EQ(command.channel, "x");
  EXPECT_EQ(command.since.after, (shm::EventId{7, 1}));
  EXPECT_EQ(command.id, "5");
  command = {};
  ASSERT_TRUE(parse_command(R"({"type":"publish","channel":"x","data":{"a":1},"key":"k"})", command, error));
  EXPECT_EQ(command.event.kind, EventKind::json);
  EXPECT_EQ(command.event.data, R"({"a":1})");
  EXPECT_EQ(command.event.key, "k");
  ASSERT_TRUE(parse_command(R"({"type":"publish","channel":"x","data":"text"})", command, error));
  EXPECT_EQ(command.event.kind, EventKind::text);
  EXPECT_EQ(command.event.data, "text");
  ASSERT_TRUE(parse_command(R"({"type":"publish","channel":"x","data_base64":"/w=="})", command, error));
  EXPECT_EQ(command.event.kind, EventKind::binary);
  EXPECT_EQ(command.event.data, "\xff");
}

TEST(Commands, CarryTheDataAsItStandsThere) {
  Command command;
  CommandError error;
  for (const std::string value : {R"({"z":1, "a":2,"z":3})", "12345678901234567890123", "1.0"}) {
    ASSERT_TRUE(
        parse_command("{\"data\": " + value + " ,\"channel\":\"x\",\"type\":\"publish\"}", command, error));
    EXPECT_EQ(command.event.data, value);
  }
}

TEST(Commands, AreNotNestedTooDeep) {
  Command command;
  CommandError error;
  const std::string data = std::string(400'000, '[') + std::string(400'000, ']');
  EXPECT_FALSE(
      parse_command("{\"type\":\"publish\",\"channel\":\"x\",\"data\":" + data + "}", command, error));
  EXPECT_EQ(error.status, 400);
  EXPECT_FALSE(parse_command("{\"type\":\"ping\",\"id\":" + data + "}", command, error));
}

TEST(Commands, ErrorsSayWhatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"no json", "JSON object"},
      {"[]", "JSON object"},
      {"{}", "\"type\""},
      {R"({"type":7})", "string"},
      {R"({"type":"dance"})", "\"type\""},
      {R"({"type":"subscribe"})", "no name"},
      {R"({"type":"subscribe","channel":"x","since":"yesterday"})", "since"},
      {R"({"type":"publish","channel":"x"})", "data"},
      {R"({"type":"publish","channel":"x","data_base64":"!"})", "data"},
      {R"({"type":"publish","channel":"x","data_base64":"AA==junk"})", "not base64"},
      {R"({"type":"publish","channel":"x","data":1,"data_base64":"AA=="})", "either"},
      {R"({"type":"publish","channel":"x","data":1,"data":2})", "twice"},
      {R"({"type":"ping","type":"publish"})", "twice"},
      {R"({"type":"publish","channel":"x","data":1,"key":")" + std::string(256, 'k') + "\"}", "255 bytes"},
  };
  for (const auto& [text, part] : cases) {
    Command command;
    CommandError error;
    EXPECT_FALSE(parse_command(text, command, error)) << text;
    EXPECT_NE(error.detail.find(part), std::string::npos) << text << ": " << error.detail;
  }
}

TEST(Commands, AnswersCarryTheId) {
  std::string out;
  append_error(out, {"\"q\"", 403, "no \"way\""});
  EXPECT_EQ(payload(out), R"({"type":"error","id":"q","status":403,"detail":"no \"way\""})");
  out.clear();
  PublishAnswer answer;
  answer.id = {7, 12};
  append_published(out, "x", answer, "5");
  EXPECT_EQ(payload(out), R"({"type":"published","channel":"x","id":5,"epoch":7,"offset":12})");
  out.clear();
  answer.repeated = true;
  append_published(out, "x", answer, {});
  EXPECT_EQ(payload(out), R"({"type":"published","channel":"x","epoch":7,"offset":12,"repeated":true})");
}

}  // namespace
}  // namespace banyan::handlers
