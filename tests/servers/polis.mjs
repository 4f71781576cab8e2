// The library of Polis behind the smallest HTTP shell, one directory for each tenant (/TENANT/v2). Everything that is
// sloppy is the library's. GET /TENANT/v2/_members/GROUP/USER says what Polis never returns.
import {createServer} from "node:http";
import jackson from "@boxyhq/saml-jackson";

const [port, token] = process.argv.slice(2);
const quiet = {info() {}, warn() {}, error() {}, debug() {}};
const address = `http://127.0.0.1:${port}`;
const {directorySyncController: sync} = await jackson.controllers({
    externalUrl: address, samlAudience: "https://app.example", samlPath: "/sso", scimPath: "/scim", db: {engine: "mem"},
    logger: quiet, noAnalytics: true,
});
const directories = new Map();

async function made(tenant) {
    const {data, error} = await sync.directories.create({name: tenant, tenant, product: "app", type: "generic-scim-v2"});
    if (error) throw new Error(error.message);
    return data;
}

async function answer(request) {
    const url = new URL(request.url, address);
    const [, tenant, , resourceType, resourceId, userId] = url.pathname.split("/");
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    if (!directories.has(tenant)) directories.set(tenant, made(tenant));
    const directory = await directories.get(tenant);
    const given = (request.headers.authorization ?? "").replace(/^Bearer /, "");
    const number = (name) => (url.searchParams.has(name) ? Number(url.searchParams.get(name)) : undefined);
    if (resourceType === "_members")
        return {status: 200, data: {member: await sync.groups.isUserInGroup(resourceId, userId)}};
    return sync.requests.handle({
        method: request.method,
        body: chunks.length ? JSON.parse(Buffer.concat(chunks)) : undefined,
        directoryId: directory.id,
        apiSecret: given === token ? directory.scim.secret : "",
        resourceType: resourceType ?? "",
        resourceId,
        query: {
            count: number("count"),
            startIndex: number("startIndex"),
            filter: url.searchParams.get("filter") ?? undefined,
        },
    });
}

createServer(async (request, response) => {
    let status = 500, data = {detail: "the shell failed"};
    try {
        ({status, data} = await answer(request));
    } catch (error) {
        data = {detail: error.message};
    }
    response.writeHead(status, {"Content-Type": "application/scim+json"}).end(data ? JSON.stringify(data) : "");
}).listen(Number(port), "127.0.0.1");
