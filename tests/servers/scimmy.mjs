// scimmy-routers as service providers in memory, one for each tenant (/TENANT/v2). The protocol is SCIMMY's; what is
// here is what an application keeps: resources, unique user names, members that exist.
import {randomUUID} from "node:crypto";
import express from "express";
import SCIMMY from "scimmy";
import {SCIMMYRouters} from "scimmy-routers";

const [port, token] = process.argv.slice(2);
const tenants = new Map();

function stored({tenant}) {
    if (!tenants.has(tenant)) tenants.set(tenant, {User: new Map(), Group: new Map()});
    return tenants.get(tenant);
}

function keep(Resource) {
    const kind = Resource.name;

    function found(resource, params) {
        const own = stored(params)[kind].get(resource.id);
        if (own === undefined) throw new SCIMMY.Types.Error(404, null, `Resource ${resource.id} not found`);
        return own;
    }

    function check(id, data, params) {
        const all = stored(params);
        for (const one of kind === "User" ? all.User.values() : [])
            if (one.id !== id && one.userName.toLowerCase() === data.userName.toLowerCase())
                throw new SCIMMY.Types.Error(409, "uniqueness", `userName ${data.userName} is taken`);
        for (const {value} of data.members ?? [])
            if (!all.User.has(value) && !all.Group.has(value))
                throw new SCIMMY.Types.Error(400, "invalidValue", `no resource has the id ${value}`);
    }

    Resource.egress((resource, params) => {
        if (resource.id) return found(resource, params);
        const all = [...stored(params)[kind].values()];
        return resource.filter ? resource.filter.match(all) : all;
    });
    Resource.ingress((resource, data, params) => {
        const old = resource.id ? found(resource, params) : undefined;
        const body = JSON.parse(JSON.stringify(data));
        check(old?.id, body, params);
        const now = new Date().toISOString();
        const meta = {resourceType: kind, created: old?.meta.created ?? now, lastModified: now};
        const own = {...body, id: old?.id ?? randomUUID(), meta};
        stored(params)[kind].set(own.id, own);
        return own;
    });
    Resource.degress((resource, params) => {
        found(resource, params);
        const all = stored(params);
        all[kind].delete(resource.id);
        for (const group of all.Group.values())
            if (group.members) group.members = group.members.filter(({value}) => value !== resource.id);
    });
    return Resource;
}

const {Attribute} = SCIMMY.Types;
SCIMMY.Schemas.Group.definition.extend([new Attribute("string", "description"), new Attribute("string", "email")]);
SCIMMY.Resources.declare(keep(SCIMMY.Resources.User).extend(SCIMMY.Schemas.EnterpriseUser));
SCIMMY.Resources.declare(keep(SCIMMY.Resources.Group));

const app = express();
app.use("/:tenant/v2", new SCIMMYRouters({
    type: "bearer",
    handler: (request) => {
        if (request.header("Authorization") !== `Bearer ${token}`) throw new Error("the token is unknown");
        return "somebody";
    },
    context: ({params}) => params,
}));
app.listen(Number(port), "127.0.0.1");
