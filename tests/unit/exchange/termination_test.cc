#include "exchange/termination.h"

#include <gtest/gtest.h>

#include <string>

namespace banyan::exchange {
namespace {

using http::StreamEnd;

std::string letters(const TerminationFacts& facts) {
  const Termination termination = termination_of(facts);
  return {termination.who, termination.phase};
}

std::string of_error(const Error& error, StreamEnd end = StreamEnd::complete, bool responded = true) {
  return letters({.end = end, .responded = responded, .error = &error});
}

TEST(TerminationOf, WhatEndedWellOrByItsClient) {
  EXPECT_EQ(letters({.end = StreamEnd::complete, .responded = true}), "--");
  EXPECT_EQ(letters({.end = StreamEnd::client_gone}), "CH");
  EXPECT_EQ(letters({.end = StreamEnd::client_gone, .responded = true}), "CD");
  EXPECT_EQ(letters({.end = StreamEnd::client_slow, .responded = true}), "cD");
}

TEST(TerminationOf, WhatWeEnded) {
  EXPECT_EQ(letters({.end = StreamEnd::shutdown}), "KH");
  EXPECT_EQ(letters({.end = StreamEnd::complete, .ended_by = LongLived::Cause::moved, .responded = true}),
            "PD");
  EXPECT_EQ(letters({.end = StreamEnd::complete, .ended_by = LongLived::Cause::stopping, .responded = true}),
            "KD");
  const Error limited = client_error(429, "too many requests");
  EXPECT_EQ(letters({.end = StreamEnd::complete, .responded = true, .refused = true, .error = &limited}),
            "PR");
}

TEST(TerminationOf, AnErrorIsWhosFaultItWas) {
  EXPECT_EQ(of_error(client_error(413, "too large")), "CR");
  EXPECT_EQ(of_error(client_error(408, "too slow")), "cR");
  EXPECT_EQ(of_error(upstream_error(502, "connection_refused", "refused")), "SC");
  EXPECT_EQ(of_error(upstream_error(504, "connection_timeout", "no answer")), "sC");
  EXPECT_EQ(of_error(upstream_error(503, "destination_unavailable", "all down")), "SC");
  EXPECT_EQ(of_error(upstream_error(502, "http_response_incomplete", "closed")), "SH");
  EXPECT_EQ(of_error(upstream_error(504, "http_response_timeout", "too slow")), "sH");
  EXPECT_EQ(of_error(proxy_error("out of memory")), "PH");
}

TEST(TerminationOf, AnAnswerThatBrokeOff) {
  EXPECT_EQ(letters({.end = StreamEnd::broken_off, .responded = true}), "SD");
  const Error closed = upstream_error(502, "http_response_incomplete", "closed");
  EXPECT_EQ(of_error(closed, StreamEnd::broken_off), "SD");
  EXPECT_EQ(of_error(closed, StreamEnd::broken_off, false), "SH");
}

}  // namespace
}  // namespace banyan::exchange
