#include "net/tls_context.h"

#include <gtest/gtest.h>

#include "unit/net/certificates.h"

namespace banyan::net {
namespace {

std::string error_of(const config::Tls& tls) {
  auto context = TlsContext::make(tls);
  return context ? "" : context.error().message;
}

TEST(TlsContext, TakesCertificateAndKey) {
  config::Tls tls = tls_of(make_certificate());
  auto context = TlsContext::make(tls);
  ASSERT_TRUE(context) << context.error().message;
  EXPECT_NE(context->get(), nullptr);
  EXPECT_TRUE(context->check_dates(std::chrono::system_clock::now()));
}

TEST(TlsContext, TakesAChainAndTextAroundIt) {
  config::Tls tls = tls_of(make_certificate());
  tls.certificate.content =
      "subject=CN = localhost\n" + tls.certificate.content + make_certificate().certificate;
  EXPECT_EQ(error_of(tls), "");
}

TEST(TlsContext, SaysWhichFileIsWrongAndWhy) {
  CertificateText good = make_certificate();
  config::Tls tls = tls_of(good);
  tls.key.content = make_certificate().key;
  EXPECT_EQ(error_of(tls),
            "key /etc/banyan/key.pem: does not belong to the certificate in /etc/banyan/cert.pem");

  tls = tls_of(good);
  tls.certificate.content = make_certificate().certificate + good.certificate;
  EXPECT_EQ(error_of(tls), "certificate /etc/banyan/cert.pem: the certificate of the key must come first");

  tls = tls_of(good);
  tls.certificate.content = good.key;
  EXPECT_EQ(error_of(tls), "certificate /etc/banyan/cert.pem: has no certificate in PEM form");

  tls = tls_of(good);
  tls.certificate.content = "";
  EXPECT_EQ(error_of(tls), "certificate /etc/banyan/cert.pem: has no certificate in PEM form");

  tls = tls_of(good);
  tls.key.content = good.certificate;
  EXPECT_EQ(error_of(tls), "key /etc/banyan/key.pem: has no private key in PEM form");

  tls = tls_of(good);
  tls.certificate.content += "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_NE(error_of(tls).find("certificate /etc/banyan/cert.pem: certificate 2: "), std::string::npos);
}

TEST(TlsContext, RefusesAnEncryptedKey) {
  EXPECT_EQ(error_of(tls_of(make_certificate(-1, 3600, "secret"))),
            "key /etc/banyan/key.pem: is encrypted; nobody is there to type its pass phrase");
}

TEST(TlsContext, KnowsWhenItsCertificateIsValid) {
  auto context = TlsContext::make(tls_of(make_certificate(-7200, -3600)));
  ASSERT_TRUE(context);
  WallTime now = std::chrono::system_clock::now();
  Result<void> late = context->check_dates(now);
  ASSERT_FALSE(late);
  EXPECT_TRUE(late.error().message.starts_with("certificate /etc/banyan/cert.pem: expired on 2"))
      << late.error().message;
  EXPECT_TRUE(context->check_dates(now - std::chrono::minutes(90)));
  Result<void> early = context->check_dates(now - std::chrono::hours(3));
  ASSERT_FALSE(early);
  EXPECT_NE(early.error().message.find("is not valid before"), std::string::npos);
}

}  // namespace
}  // namespace banyan::net
