import { expect, test } from "vitest";
import { identityOf } from "../src/tokens.ts";

test("two tenants with the same user do not share what is stored", () => {
  expect(identityOf({ sub: "alice", tenant: "acme" })).toBe("acme/alice");
  const [acme, umbra] = ["acme", "umbra"].map((id) => identityOf({ sub: "alice", org: { id } } as object));
  expect(acme).not.toBe(umbra);
});

test("all tokens of one user do", () => {
  const at = (exp: number) =>
    identityOf({ iss: "https://id.example", sub: "alice", exp, iat: exp - 60, jti: `${exp}` } as object);
  expect(at(1_000)).toBe(at(2_000));
});
