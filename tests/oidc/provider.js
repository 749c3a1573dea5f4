// A real OpenID provider for the tests: node provider.js CALLBACK [userinfo]. Says its issuer's URL in one line, and ends with
// its standard input. Whoever comes is logged in as /control?user=NAME has it; /control?spoil=WHAT has the next ID tokens
// be wrong in one way, signed by its own key where the way is not that; with `userinfo`, claims are told only there.
import { createServer } from "node:http";
import { generateKeyPair, exportJWK, importJWK, SignJWT, UnsecuredJWT, decodeJwt } from "jose";
import { Provider } from "oidc-provider";

const [callback, only] = process.argv.slice(2);
const SECRET = "the-client-secret-0123456789abcdef";
const GROUPS = { ada: ["dev", "sre"], bob: ["everybody"], eve: undefined, root: ["ops"] };
let [user, spoil] = ["ada", ""];

const key = async (alg, kid) => ({ ...(await exportJWK((await generateKeyPair(alg, { extractable: true })).privateKey)), alg, kid, use: "sig" });
const keys = [await key("ES256", "ec"), await key("RS256", "rsa")];
const stranger = await key("ES256", "ec");

const now = () => Math.floor(Date.now() / 1000);
const SPOILED = {
  issuer: (claims) => ({ ...claims, iss: "https://evil.example" }),
  audience: (claims) => ({ ...claims, aud: "somebody-else" }),
  two: (claims) => ({ ...claims, aud: [claims.aud, "somebody-else"] }),
  expired: (claims) => ({ ...claims, iat: now() - 7200, exp: now() - 3600 }),
  nonce: (claims) => ({ ...claims, nonce: "another" }),
  bare: ({ nonce, ...claims }) => claims,
};

async function spoiled(token) {
  const claims = decodeJwt(token);
  if (spoil === "unsigned") return new UnsecuredJWT(claims).encode();
  if (spoil === "shared") return new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(SECRET));
  const by = spoil === "key" ? stranger : keys[0];
  return new SignJWT((SPOILED[spoil] ?? ((c) => c))(claims)).setProtectedHeader({ alg: "ES256", kid: "ec" }).sign(await importJWK(by, "ES256"));
}

const server = createServer();
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const issuer = `http://127.0.0.1:${server.address().port}`;

const client = (client_id, alg) => ({
  client_id, client_secret: SECRET, redirect_uris: [callback], response_types: ["code"], grant_types: ["authorization_code"],
  id_token_signed_response_alg: alg,
});
const provider = new Provider(issuer, {
  clients: [client("dogwatch", "ES256"), client("by-rsa", "RS256"), { ...client("public", "ES256"), client_secret: undefined, token_endpoint_auth_method: "none" }],
  jwks: { keys },
  scopes: ["openid", "profile", "groups"],
  claims: { openid: ["sub"], profile: ["preferred_username"], groups: ["groups"] },
  conformIdTokenClaims: only === "userinfo",
  cookies: { keys: ["a key of the tests"] },
  pkce: { methods: ["S256"], required: () => true },
  features: { devInteractions: { enabled: false }, userinfo: { enabled: true } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: `${id}@example.org`, groups: GROUPS[id] }) }),
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope("openid profile groups");
    await grant.save();
    return grant;
  },
});
provider.use(async (ctx, next) => {
  await next();
  if (spoil && ctx.path === "/token" && ctx.body?.id_token) ctx.body = { ...ctx.body, id_token: await spoiled(ctx.body.id_token) };
});

const answer = provider.callback();
server.on("request", async (request, response) => {
  const url = new URL(request.url, issuer);
  if (url.pathname === "/control") {
    user = url.searchParams.get("user") ?? user;
    spoil = url.searchParams.get("spoil") ?? "";
    response.end();
  } else if (url.pathname.startsWith("/interaction/")) {
    const refused = { error: "access_denied", error_description: "<script>alert(1)</script>" };
    await provider.interactionFinished(request, response, user === "nobody" ? refused : { login: { accountId: user } });
  } else {
    answer(request, response);
  }
});
process.stdin.resume().on("end", () => process.exit());
// One line is read of what it says; it says more.
process.stdout.on("error", () => {});
console.log(issuer);
