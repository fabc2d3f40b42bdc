#include "http/ws_receiver.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "support/ws_client.h"

namespace banyan::http {
namespace {

using support::client_frame;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::string_literals;

constexpr auto kText = WsOpcode::text, kBinary = WsOpcode::binary, kMore = WsOpcode::continuation,
               kClose = WsOpcode::close, kPing = WsOpcode::ping, kPong = WsOpcode::pong;

std::string describe(const WsReceiver::Step& step) {
  constexpr std::string_view kNames[] = {"none", "text", "binary", "ping", "pong", "close", "failed"};
  const auto name = kNames[static_cast<size_t>(step.event)];
  if (step.event == WsReceiver::Event::failed)
    return fmt::format("failed {}: {}", static_cast<int>(step.code), step.wrong);
  if (step.event == WsReceiver::Event::close)
    return fmt::format("close {} {}", static_cast<int>(step.code), step.payload);
  return fmt::format("{} {}", name, step.payload);
}

// All events of the bytes, handed over in portions.
std::vector<std::string> events(std::string bytes, size_t portion,
                                const WsReceiver::Settings& settings = {}) {
  WsReceiver receiver(settings);
  std::vector<std::string> events;
  for (size_t begin = 0; begin < bytes.size(); begin += portion) {
    std::span<char> rest = std::span(bytes).subspan(begin, std::min(portion, bytes.size() - begin));
    while (!rest.empty()) {
      const WsReceiver::Step step = receiver.receive(rest);
      if (step.event != WsReceiver::Event::none) events.push_back(describe(step));
      if (step.event == WsReceiver::Event::failed || step.event == WsReceiver::Event::close) return events;
      EXPECT_GT(step.used, 0u);
      if (step.used == 0) return events;
      rest = rest.subspan(step.used);
    }
  }
  return events;
}

// The same whatever the portions.
std::vector<std::string> events_of(const std::string& bytes, const WsReceiver::Settings& settings = {}) {
  const std::vector<std::string> whole = events(bytes, bytes.size(), settings);
  for (size_t portion : {1, 2, 3, 5, 13}) EXPECT_EQ(events(bytes, portion, settings), whole) << portion;
  return whole;
}

TEST(WsReceiver, MessagesAndControlFrames) {
  const std::string bytes = client_frame({kText}, "hello") + client_frame({kPing}, "are you there") +
                            client_frame({kBinary}, "\x00\xff"s) + client_frame({kPong}, "") +
                            client_frame({kText}, "") + client_frame({kClose}, "\x03\xe8"s + "bye");
  EXPECT_THAT(events_of(bytes), ElementsAre("text hello", "ping are you there", "binary \x00\xff"s, "pong ",
                                            "text ", "close 1000 bye"));
}

TEST(WsReceiver, FragmentsWithControlFramesBetween) {
  const std::string bytes = client_frame({kText, false}, "one ") + client_frame({kPing}, "p") +
                            client_frame({kMore, false}, "") + client_frame({kMore, false}, "two ") +
                            client_frame({kPong}, "q") + client_frame({kMore, true}, "three") +
                            client_frame({kText}, "next");
  EXPECT_THAT(events_of(bytes), ElementsAre("ping p", "pong q", "text one two three", "text next"));
}

TEST(WsReceiver, LargeMessages) {
  const std::string large(60'000, 'x');
  EXPECT_THAT(events_of(client_frame({kBinary}, large) + client_frame({kText}, "after")),
              ElementsAre("binary " + large, "text after"));
}

TEST(WsReceiver, WrongOrderOfFrames) {
  EXPECT_THAT(events_of(client_frame({kMore}, "x")), ElementsAre("failed 1002: continuation of no message"));
  EXPECT_THAT(events_of(client_frame({kText, false}, "a") + client_frame({kText}, "b")),
              ElementsAre("failed 1002: new message inside of a fragmented one"));
  EXPECT_THAT(events_of("\x81\x01x"), ElementsAre("failed 1002: frame is not masked"));
  EXPECT_THAT(events_of(client_frame({kText, true, true}, "x")),
              ElementsAre("failed 1002: compression was not agreed on"));
  EXPECT_THAT(events_of(client_frame({kText, false, true}, "") + client_frame({kMore, true, true}, "x"),
                        {.deflate = true}),
              ElementsAre("failed 1002: compression bit in a continuation"));
}

TEST(WsReceiver, TextIsUtf8) {
  EXPECT_THAT(events_of(client_frame({kText, false}, "\xce") + client_frame({kMore}, "\xba")),
              ElementsAre("text \xce\xba"));
  EXPECT_THAT(events_of(client_frame({kText}, "\xce")),
              ElementsAre("failed 1007: text ends inside of a UTF-8 character"));
  EXPECT_THAT(events_of(client_frame({kBinary}, "\xce")), ElementsAre("binary \xce"));
  // Found before the message is complete.
  WsReceiver receiver({});
  std::string begin = client_frame({kText, false}, "ab\xed\xa0\x80");
  EXPECT_EQ(describe(receiver.receive(begin)), "failed 1007: text is not UTF-8");
}

TEST(WsReceiver, WrongUtf8IsFoundInsideOfAFrame) {
  WsReceiver receiver({});
  std::string frame = client_frame({kText}, "\xf4\x90" + std::string(100, 'x'));
  EXPECT_EQ(describe(receiver.receive(std::span(frame).first(8))), "failed 1007: text is not UTF-8");
}

TEST(WsReceiver, CloseFrames) {
  EXPECT_THAT(events_of(client_frame({kClose}, "")), ElementsAre("close 1005 "));
  EXPECT_THAT(events_of(client_frame({kClose}, "x")), ElementsAre("failed 1002: close frame with one byte"));
  EXPECT_THAT(events_of(client_frame({kClose}, "\x03\xed")),
              ElementsAre("failed 1002: close frame with a code that must not be sent"));
  EXPECT_THAT(events_of(client_frame({kClose}, "\x03\xe8\xff")),
              ElementsAre("failed 1007: reason of a close frame is not UTF-8"));
}

TEST(WsReceiver, SizesAreRefusedBeforeTheirPayloadComes) {
  const WsReceiver::Settings settings{.max_message = 100};
  EXPECT_THAT(events_of(client_frame({kBinary}, std::string(100, 'x')), settings),
              ElementsAre("binary " + std::string(100, 'x')));
  WsReceiver one(settings);
  std::string frame = client_frame({kBinary}, std::string(101, 'x'));
  EXPECT_EQ(describe(one.receive(std::span(frame).first(6))), "failed 1009: message longer than allowed");
  EXPECT_THAT(events_of(client_frame({kBinary, false}, std::string(60, 'x')) +
                            client_frame({kMore}, std::string(41, 'x')),
                        settings),
              ElementsAre("failed 1009: message longer than allowed"));
}

TEST(WsReceiver, CompressedMessages) {
  const WsReceiver::Settings settings{.max_message = 10'000, .deflate = true};
  std::string text;
  for (int i = 0; i < 500; ++i) text += fmt::format("event {} ", i);
  const std::string packed = *ws_compress(text, {});
  ASSERT_LT(packed.size(), text.size() / 2);
  const std::string bytes = client_frame({kText, true, true}, packed) + client_frame({kText}, "plain") +
                            client_frame({kText, false, true}, packed.substr(0, 10)) +
                            client_frame({kPing}, "!") + client_frame({kMore, false}, packed.substr(10, 1)) +
                            client_frame({kMore}, packed.substr(11));
  EXPECT_THAT(events_of(bytes, settings),
              ElementsAre("text " + text, "text plain", "ping !", "text " + text));
}

TEST(WsReceiver, ABombIsStoppedAtTheLimit) {
  const std::string bomb = *ws_compress(std::string(1 << 20, '\0'), {});
  ASSERT_LT(bomb.size(), 2000u);
  const WsReceiver::Settings settings{.max_message = 64 * 1024, .deflate = true};
  EXPECT_THAT(events_of(client_frame({kBinary, true, true}, bomb), settings),
              ElementsAre("failed 1009: message longer than allowed"));
}

TEST(WsReceiver, CompressedNonsense) {
  const WsReceiver::Settings settings{.deflate = true};
  const std::vector<std::string> got =
      events_of(client_frame({kBinary, true, true}, "\xff\xff\xff\xff\xff"), settings);
  EXPECT_THAT(got, ElementsAre("failed 1007: message is not compressed as it says"));
  const std::string not_utf8 = *ws_compress(std::string(100, '\xff'), {});
  EXPECT_THAT(events_of(client_frame({kText, true, true}, not_utf8), settings),
              ElementsAre("failed 1007: text is not UTF-8"));
}

TEST(WsReceiver, MemoryIsGivenBackAfterAMessage) {
  WsReceiver receiver({});
  std::string bytes = client_frame({kText, false}, std::string(5000, 'x')) + client_frame({kMore}, "end");
  EXPECT_EQ(receiver.receive(bytes).event, WsReceiver::Event::none);
  EXPECT_EQ(receiver.buffered(), 5000u);
  EXPECT_TRUE(receiver.in_message());
  std::string rest = client_frame({kMore}, "end");
  EXPECT_EQ(receiver.receive(rest).payload.size(), 5003u);
  EXPECT_FALSE(receiver.in_message());
  std::string ping = client_frame({kPing}, "");
  EXPECT_EQ(receiver.receive(ping).event, WsReceiver::Event::ping);
  EXPECT_EQ(receiver.buffered(), 0u);
}

TEST(WsReceiver, NothingIsReadAfterAFailure) {
  WsReceiver receiver({});
  std::string wrong = "\x81\x01x", good = client_frame({kText}, "good");
  EXPECT_EQ(receiver.receive(wrong).event, WsReceiver::Event::failed);
  const WsReceiver::Step step = receiver.receive(good);
  EXPECT_EQ(step.event, WsReceiver::Event::none);
  EXPECT_EQ(step.used, 0u);
}

}  // namespace
}  // namespace banyan::http
