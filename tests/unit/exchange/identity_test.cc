#include "exchange/identity.h"

#include <gtest/gtest.h>

#include "exchange/outbound_head.h"
#include "exchange/timestamps.h"

namespace banyan::exchange {
namespace {

using http::FieldId;

net::IpAddress ip(std::string_view text) { return *net::IpAddress::parse(text, 1234); }

class IdentityTest : public testing::Test {
 protected:
  Identity identity(std::string_view peer) { return Identity(head_, ip(peer), false, {}, trusted_, random_); }
  http::RequestHead head_;
  std::vector<config::Cidr> trusted_ = {*config::parse_cidr("10.0.0.0/8")};
  Random random_{1};
};

TEST_F(IdentityTest, AnUntrustedPeerIsTheClientWhateverItSays) {
  head_.fields.add("X-Forwarded-For", "1.2.3.4");
  head_.fields.add("X-Forwarded-Proto", "https");
  head_.fields.add("X-Request-ID", "mine");
  Identity who = identity("192.0.2.1");
  EXPECT_EQ(who.client().ip, "192.0.2.1");
  EXPECT_FALSE(who.client().trusted);
  EXPECT_FALSE(who.client().tls);
  EXPECT_EQ(who.request_id().size(), 32u);
}

TEST_F(IdentityTest, HopsMayHaveAPort) {
  for (const auto& [hop, wanted, port] : {std::tuple{"203.0.113.9:4711", "203.0.113.9", 4711},
                                          {"[2001:db8::7]:99", "2001:db8::7", 99},
                                          {"2001:db8::7", "2001:db8::7", 0},
                                          {"203.0.113.9:", "10.0.0.1", 1234},
                                          {"203.0.113.9:99999", "10.0.0.1", 1234},
                                          {"[203.0.113.9]:1", "10.0.0.1", 1234},
                                          {"[2001:db8::7]", "10.0.0.1", 1234},
                                          {":1", "10.0.0.1", 1234}}) {
    head_.fields.clear();
    head_.fields.add("X-Forwarded-For", hop);
    const Identity who = identity("10.0.0.1");
    EXPECT_EQ(who.client().ip, wanted) << hop;
    EXPECT_EQ(who.client().port, port) << hop;
  }
}

TEST_F(IdentityTest, BehindTrustedProxiesTheLastUntrustedHopIsTheClient) {
  head_.fields.add("X-Forwarded-For", "6.6.6.6, 203.0.113.9, 10.1.1.1");
  head_.fields.add("X-Forwarded-Proto", "https");
  head_.fields.add("X-Request-ID", "abc-1");
  Identity who = identity("10.0.0.1");
  EXPECT_EQ(who.client().ip, "203.0.113.9");
  EXPECT_TRUE(who.client().trusted);
  EXPECT_TRUE(who.client().tls);
  EXPECT_EQ(who.request_id(), "abc-1");
}

TEST_F(IdentityTest, AnUnreadableHopEndsTheWalk) {
  head_.fields.add("X-Forwarded-For", "1.1.1.1, unknown, 10.2.2.2");
  EXPECT_EQ(identity("10.0.0.1").client().ip, "10.2.2.2");
}

TEST_F(IdentityTest, TraceContinuesOnlyIfItIsWellFormed) {
  head_.fields.add("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  Identity who = identity("192.0.2.1");
  EXPECT_TRUE(who.trace_continues());
  EXPECT_EQ(who.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_NE(who.traceparent().substr(36, 16), "00f067aa0ba902b7") << "a span of our own";
  EXPECT_EQ(who.traceparent().substr(52), "-01");
  for (std::string_view bad : {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
                               "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                               "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                               "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                               "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", ""}) {
    head_.fields.clear();
    head_.fields.add("traceparent", bad);
    Identity made = identity("192.0.2.1");
    EXPECT_FALSE(made.trace_continues()) << bad;
    EXPECT_EQ(made.traceparent().size(), 55u);
    EXPECT_EQ(made.traceparent().substr(0, 3), "00-");
    EXPECT_EQ(made.traceparent()[35], '-');
    EXPECT_EQ(made.traceparent().substr(52), "-00");
    EXPECT_NE(made.trace_id(), std::string(32, '0'));
  }
}

class OutboundHeadTest : public IdentityTest {
 protected:
  class NoTargets final : public route::TargetBook {
    const route::Target* find_target(std::string_view) const override { return nullptr; }
  };
  const http::RequestHead& make(std::string_view peer, config::Route rules = {}) {
    head_.method_text = "GET";
    head_.path = "/a";
    head_.host = "example.org";
    rules.reply = config::Reply{};
    route_ = std::move(*route::Route::make(rules, 1, NoTargets()));
    identity_.emplace(head_, ip(peer), false, std::string_view(), trusted_, random_);
    make_outbound_head(
        {head_, *route_, *identity_, 8080, "banyan", nullptr, {}, "Banyan-Timeout-Ms", time_left_}, out_);
    return out_;
  }
  std::string_view get(std::string_view name) {
    const http::Field* field = out_.fields.find(name);
    return field ? field->value : "(absent)";
  }
  std::string_view time_left_;
  std::unique_ptr<route::Route> route_;
  std::optional<Identity> identity_;
  http::RequestHead out_;
};

TEST_F(OutboundHeadTest, TimeLeftIsOursAloneAndRulesMayTakeItOut) {
  head_.fields.add("banyan-timeout-ms", "99");
  EXPECT_FALSE(make("192.0.2.1").fields.find("Banyan-Timeout-Ms"));
  time_left_ = "1500";
  make("192.0.2.1");
  EXPECT_EQ(get("Banyan-Timeout-Ms"), "1500");
  config::Route rules;
  rules.request_headers.remove = {"Banyan-Timeout-Ms"};
  EXPECT_FALSE(make("192.0.2.1", rules).fields.find("Banyan-Timeout-Ms"));
}

TEST_F(OutboundHeadTest, ForwardedFieldsOfUntrustedPeersAreReplaced) {
  for (const char* name : {"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port",
                           "X-Real-IP", "Forwarded"}) {
    head_.fields.add(name, "forged");
  }
  make("192.0.2.1");
  EXPECT_EQ(get("X-Forwarded-For"), "192.0.2.1");
  EXPECT_EQ(get("X-Forwarded-Proto"), "http");
  EXPECT_EQ(get("X-Forwarded-Host"), "example.org");
  EXPECT_EQ(get("X-Forwarded-Port"), "8080");
  EXPECT_EQ(get("X-Real-IP"), "192.0.2.1");
  EXPECT_EQ(get("Forwarded"), "(absent)");
  EXPECT_EQ(get("Via"), "1.1 banyan");
}

TEST_F(OutboundHeadTest, TrustedPeersAreAppendedTo) {
  head_.fields.add("X-Forwarded-For", "203.0.113.9");
  head_.fields.add("X-Forwarded-Proto", "https");
  head_.fields.add("X-Forwarded-Host", "outer.example");
  make("10.0.0.1");
  EXPECT_EQ(get("X-Forwarded-For"), "203.0.113.9, 10.0.0.1");
  EXPECT_EQ(get("X-Forwarded-Proto"), "https");
  EXPECT_EQ(get("X-Forwarded-Host"), "outer.example");
  EXPECT_EQ(get("X-Real-IP"), "203.0.113.9");
}

TEST_F(OutboundHeadTest, ConnectionCannotRemoveWhatWeAdd) {
  head_.fields.add("Connection", "close, X-Hop");
  head_.fields.add("X-Hop", "1");
  head_.fields.add("Keep-Alive", "timeout=5");
  head_.fields.add("TE", "trailers");
  make("192.0.2.1");
  EXPECT_EQ(get("X-Hop"), "(absent)");
  EXPECT_EQ(get("Connection"), "(absent)");
  EXPECT_EQ(get("Keep-Alive"), "(absent)");
  EXPECT_EQ(get("X-Forwarded-For"), "192.0.2.1");
}

TEST_F(OutboundHeadTest, RulesRemoveThenSetThenAdd) {
  head_.fields.add("X-Old", "1");
  head_.fields.add("X-Both", "client");
  config::Route rules;
  rules.request_headers.remove = {"X-Old"};
  rules.request_headers.set = {{"X-Both", "route"}, {"Host", "inner"}};
  rules.request_headers.add = {{"X-New", "2"}};
  make("192.0.2.1", rules);
  EXPECT_EQ(get("X-Old"), "(absent)");
  EXPECT_EQ(get("X-Both"), "route");
  EXPECT_EQ(get("X-New"), "2");
  EXPECT_EQ(out_.host, "inner");
  EXPECT_EQ(get("Host"), "(absent)");
  EXPECT_EQ(head_.fields.size(), 2u) << "the client's head is as it was";
}

TEST(ViaCount, CountsOnlyOurName) {
  http::Fields fields;
  fields.add("Via", "1.1 banyan, 1.0 other (x), 1.1 banyan (again)");
  fields.add("Via", "1.1 banyan2");
  EXPECT_EQ(via_count(fields, "banyan"), 2);
}

TEST(Timestamps, Formats) {
  Timestamps times;
  times.update(std::chrono::system_clock::from_time_t(784111777));
  EXPECT_EQ(times.http_date(), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(times.iso8601(), "1994-11-06T08:49:37+00:00");
  EXPECT_EQ(times.common_log(), "06/Nov/1994:08:49:37 +0000");
}

}  // namespace
}  // namespace banyan::exchange
