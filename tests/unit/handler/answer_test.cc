#include <gtest/gtest.h>

#include "handler/handler.h"
#include "support/fake_call.h"

namespace banyan::handler {
namespace {

using testing::FakeCall;

class Fixed final : public Handler {
 public:
  Fixed(BufferPools& buffers, int status, std::string body)
      : buffers_(buffers), status_(status), body_(std::move(body)) {}
  std::unique_ptr<Session> open(Call& call) override {
    http::ResponseHead head;
    head.status = status_;
    head.fields.add("X-Kind", "fixed");
    answer(call, buffers_, std::move(head), body_);
    return nullptr;
  }

 private:
  BufferPools& buffers_;
  int status_;
  std::string body_;
};

struct AnswerTest : ::testing::Test {
  event::Loop loop;
  BufferPools buffers;
};

TEST_F(AnswerTest, SendsTheWholeBodyWithItsLength) {
  for (const size_t size : {size_t{5}, BufferPools::kSmall, BufferPools::kSmall + 1, size_t{300'000}}) {
    std::string body(size, 'x');
    body.back() = 'y';
    Fixed handler(buffers, 200, body);
    FakeCall call(loop, {});
    call.open(handler);
    ASSERT_TRUE(call.run());
    EXPECT_EQ(call.status(), 200);
    EXPECT_EQ(call.field("x-kind"), "fixed");
    EXPECT_EQ(call.length().kind, http::BodyKind::sized);
    EXPECT_EQ(call.length().size, size);
    EXPECT_TRUE(call.body() == body);
  }
}

TEST_F(AnswerTest, AnEmptyBodyHasLengthZero) {
  Fixed handler(buffers, 404, "");
  FakeCall call(loop, {});
  call.open(handler);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.length().kind, http::BodyKind::sized);
  EXPECT_EQ(call.length().size, 0u);
}

TEST_F(AnswerTest, HeadHasTheLengthButNotTheBody) {
  Fixed handler(buffers, 200, "hello");
  FakeCall call(loop, {.method = "HEAD"});
  call.open(handler);
  ASSERT_TRUE(call.run());
  EXPECT_EQ(call.length().size, 5u);
  EXPECT_EQ(call.body(), "");
}

TEST_F(AnswerTest, StatusesWithoutBodyHaveNeither) {
  for (const int status : {204, 304}) {
    Fixed handler(buffers, status, "ignored");
    FakeCall call(loop, {});
    call.open(handler);
    ASSERT_TRUE(call.run());
    EXPECT_EQ(call.length().kind, http::BodyKind::none);
    EXPECT_EQ(call.body(), "");
  }
}

}  // namespace
}  // namespace banyan::handler
