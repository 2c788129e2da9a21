// Prunes GitHub's published API description and GraphQL schema to what the
// github connector and its model use. Install the packages in a folder outside
// the repository and name it:
//   npm install @octokit/openapi @octokit/graphql-schema @octokit/fixtures @octokit/webhooks-examples
//   node tools/github/prune.mjs FOLDER
// All four are published under the MIT licence, whose notice is kept beside the result.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const from = path.join(process.argv[2], 'node_modules', '@octokit')
const to = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../connectors/github/githubtest/testdata')
const read = (...p) => JSON.parse(fs.readFileSync(path.join(from, ...p), 'utf8'))

const operations = {
  '/app': ['get'], '/app/installations': ['get'], '/app/installations/{installation_id}/access_tokens': ['post'],
  '/orgs/{org}': ['get'], '/orgs/{org}/installation': ['get'], '/orgs/{org}/installations': ['get'],
  '/orgs/{org}/members': ['get'], '/orgs/{org}/outside_collaborators': ['get'], '/orgs/{org}/teams': ['get'],
  '/orgs/{org}/teams/{team_slug}/members': ['get'], '/orgs/{org}/personal-access-tokens': ['get'],
  '/orgs/{org}/repos': ['get', 'post'], '/orgs/{org}/rulesets': ['get', 'post'], '/orgs/{org}/rulesets/{ruleset_id}': ['get'],
  '/orgs/{org}/actions/permissions': ['get'], '/orgs/{org}/actions/permissions/workflow': ['get'],
  '/orgs/{org}/audit-log': ['get'], '/orgs/{org}/dependabot/alerts': ['get'], '/orgs/{org}/code-scanning/alerts': ['get'],
  '/orgs/{org}/secret-scanning/alerts': ['get'], '/orgs/{org}/security-advisories': ['get'],
  '/repos/{owner}/{repo}': ['get'], '/repos/{owner}/{repo}/contents/{path}': ['put'],
  '/repos/{owner}/{repo}/branches/{branch}/protection': ['get', 'put', 'delete'],
  '/repos/{owner}/{repo}/rules/branches/{branch}': ['get'], '/repos/{owner}/{repo}/rulesets': ['post'],
  '/repos/{owner}/{repo}/rulesets/{ruleset_id}': ['get'], '/repos/{owner}/{repo}/collaborators': ['get'],
  '/repos/{owner}/{repo}/keys': ['get', 'post'], '/repos/{owner}/{repo}/environments': ['get'],
  '/repos/{owner}/{repo}/environments/{environment_name}/deployment-branch-policies': ['get'],
  '/repos/{owner}/{repo}/actions/permissions': ['get'], '/repos/{owner}/{repo}/actions/permissions/workflow': ['get'],
  '/repos/{owner}/{repo}/private-vulnerability-reporting': ['get'], '/repos/{owner}/{repo}/code-scanning/analyses': ['get'],
  '/repos/{owner}/{repo}/dependabot/alerts/{alert_number}': ['get'], '/repos/{owner}/{repo}/code-scanning/alerts/{alert_number}': ['get'],
  '/repos/{owner}/{repo}/secret-scanning/alerts/{alert_number}': ['get'], '/repos/{owner}/{repo}/security-advisories/{ghsa_id}': ['get'],
  '/user': ['get'], '/user/orgs': ['get'], '/user/memberships/orgs/{org}': ['get'], '/rate_limit': ['get'],
  '/teams/{team_id}/repos/{owner}/{repo}': ['put'],
}

// ---- REST
const cloud = read('openapi', 'generated', 'api.github.com.json')
const enterprise = read('openapi', 'generated', 'ghec.json')
const out = { openapi: cloud.openapi, info: { title: cloud.info.title, version: cloud.info.version, license: cloud.info.license }, paths: {}, components: {} }
const drop = new Set(['description', 'summary', 'externalDocs', 'x-github', 'example', 'tags', 'title', 'x-multi-segment', 'operationId'])
const pending = []
const lean = (v, inProperties, source) => {
  if (Array.isArray(v)) return v.map(x => lean(x, false, source))
  if (v === null || typeof v !== 'object') return v
  const o = {}
  for (const [k, x] of Object.entries(v)) {
    if (!inProperties && (drop.has(k) || k === 'examples' && !Array.isArray(v.examples) && v.schema === undefined)) continue
    if (k === '$ref' && typeof x === 'string') pending.push([x, source])
    o[k] = lean(x, k === 'properties', source)
  }
  return o
}
const resolve = (ref, source) => ref.slice(2).split('/').reduce((o, k) => o[k], source)
const examples = {}
for (const [p, methods] of Object.entries(operations)) {
  const source = cloud.paths[p] ? cloud : enterprise
  out.paths[p] = {}
  for (const m of methods) {
    const op = source.paths[p][m]
    if (!op) throw new Error(`${m} ${p} is not described`)
    const responses = {}
    for (const [code, r0] of Object.entries(op.responses)) {
      const r = r0.$ref ? resolve(r0.$ref, source) : r0
      const json = r.content && (r.content['application/json'] || r.content['application/json; charset=utf-8'])
      responses[code] = json ? { content: { 'application/json': { schema: lean(json.schema, false, source) } } } : {}
      if (code[0] === '2' && json && json.examples) {
        for (const [name, e0] of Object.entries(json.examples)) {
          const e = e0.$ref ? resolve(e0.$ref, source) : e0
          if (e.value !== undefined) (examples[`${m} ${p} ${code}`] ||= {})[name] = e.value
        }
      }
    }
    const parameters = (op.parameters || []).map(q => q.$ref ? resolve(q.$ref, source) : q).map(q => lean({ name: q.name, in: q.in, required: q.required, schema: q.schema }, false, source))
    const body = op.requestBody && op.requestBody.content && op.requestBody.content['application/json']
    out.paths[p][m] = { parameters, responses }
    if (body) out.paths[p][m].requestBody = { content: { 'application/json': { schema: lean(body.schema, false, source) } } }
  }
}
while (pending.length) {
  const [ref, source] = pending.pop()
  const keys = ref.slice(2).split('/')
  let o = out
  for (const k of keys.slice(0, -1)) o = (o[k] ||= {})
  const last = keys[keys.length - 1]
  if (o[last] === undefined) { o[last] = null; o[last] = lean(resolve(ref, source), false, source) }
}
fs.writeFileSync(path.join(to, 'openapi.json'), JSON.stringify(out) + '\n')
fs.writeFileSync(path.join(to, 'examples.json'), JSON.stringify(examples) + '\n')

// The answer of /app/installations is written out there with "allOf" a user and an enterprise, where the component says "anyOf".
out.paths['/app/installations'].get.responses['200'].content['application/json'].schema.items = { $ref: '#/components/schemas/installation' }
fs.writeFileSync(path.join(to, 'openapi.json'), JSON.stringify(out) + '\n')

// ---- GraphQL: these types with their fields, as far as the fields lead to one of them.
const keep = new Set(['Query', 'Organization', 'OrganizationMemberConnection', 'OrganizationMemberEdge', 'OrganizationMemberRole', 'User', 'Actor', 'Bot',
  'Repository', 'RepositoryVisibility', 'Ref', 'GitObject', 'Tree', 'TreeEntry', 'Blob', 'Commit', 'GitActor', 'GitSignature', 'CommitConnection', 'CommitHistoryConnection',
  'PullRequest', 'PullRequestConnection', 'PullRequestState', 'PullRequestCommit', 'PullRequestCommitConnection', 'PullRequestReview', 'PullRequestReviewConnection',
  'PullRequestReviewState', 'PageInfo', 'IssueOrder', 'IssueOrderField', 'OrderDirection', 'StatusCheckRollup', 'StatusCheckRollupContextConnection', 'StatusCheckRollupContext',
  'CheckRun', 'StatusContext', 'CheckSuite', 'CheckSuiteConnection', 'WorkflowRun', 'WorkflowRunFile', 'CheckConclusionState', 'CheckStatusState', 'StatusState', 'BranchProtectionRule', 'BypassPullRequestAllowanceConnection', 'BypassPullRequestAllowance',
  'PushAllowanceConnection', 'PushAllowance', 'RepositoryRuleset', 'RepositoryRulesetConnection', 'RuleEnforcement', 'DeployKey', 'DeployKeyConnection', 'RateLimit',
  'RepositoryOwner', 'Node', 'PullRequestOrder', 'PullRequestOrderField', 'CommitAuthor', 'RepositoryRulesetTarget'])
const schema = (() => { const s = read('graphql-schema', 'schema.json'); return s.__schema || s.data.__schema })()
const named = t => t.ofType ? named(t.ofType) : t.name
const show = t => t.kind === 'NON_NULL' ? show(t.ofType) + '!' : t.kind === 'LIST' ? `[${show(t.ofType)}]` : t.name
const scalars = new Set(schema.types.filter(t => t.kind === 'SCALAR').map(t => t.name))
const used = new Set()
const ok = t => { const n = named(t); if (scalars.has(n)) { used.add(n); return true } return keep.has(n) }
let sdl = '# From @octokit/graphql-schema (MIT), pruned by tools/github/prune.mjs.\n'
for (const t of schema.types.filter(t => keep.has(t.name)).sort((a, b) => a.name < b.name ? -1 : 1)) {
  const impl = (t.interfaces || []).map(i => i.name).filter(n => keep.has(n))
  const args = f => { const a = (f.args || []).filter(x => ok(x.type)); return a.length ? '(' + a.map(x => `${x.name}: ${show(x.type)}${x.defaultValue != null ? ' = ' + x.defaultValue : ''}`).join(', ') + ')' : '' }
  if (t.kind === 'ENUM') sdl += `\nenum ${t.name} {\n${t.enumValues.map(v => '  ' + v.name).join('\n')}\n}\n`
  else if (t.kind === 'UNION') sdl += `\nunion ${t.name} = ${t.possibleTypes.map(p => p.name).filter(n => keep.has(n)).join(' | ')}\n`
  else if (t.kind === 'INPUT_OBJECT') sdl += `\ninput ${t.name} {\n${t.inputFields.filter(f => ok(f.type)).map(f => `  ${f.name}: ${show(f.type)}`).join('\n')}\n}\n`
  else {
    const fields = t.fields.filter(f => ok(f.type) && (f.args || []).every(a => ok(a.type) || a.type.kind !== 'NON_NULL'))
    sdl += `\n${t.kind === 'INTERFACE' ? 'interface' : 'type'} ${t.name}${impl.length ? ' implements ' + impl.join(' & ') : ''} {\n${fields.map(f => `  ${f.name}${args(f)}: ${show(f.type)}`).join('\n')}\n}\n`
  }
}
const builtin = new Set(['String', 'Int', 'Float', 'Boolean', 'ID'])
for (const n of [...used].sort()) if (!builtin.has(n)) sdl += `\nscalar ${n}\n`
fs.writeFileSync(path.join(to, 'schema.graphql'), sdl)

// ---- the recorded scenario, without headers that say nothing, and the webhooks' examples, in which only what is read is kept
const scenario = read('fixtures', 'scenarios', 'api.github.com', 'branch-protection', 'normalized-fixture.json')
fs.writeFileSync(path.join(to, 'branch-protection.json'), JSON.stringify(scenario.map(r => ({ method: r.method, path: r.path, status: r.status, body: r.body, response: r.response }))) + '\n')
const top = ['action', 'ref', 'installation', 'organization', 'sender', 'repository', 'pull_request', 'alert', 'repository_advisory']
const inner = ['login', 'full_name', 'default_branch', 'number', 'merged_at', 'base', 'ref', 'account', 'ghsa_id']
const trim = v => { if (v === null || typeof v !== 'object') return v; const o = {}; for (const k of inner) if (v[k] !== undefined) o[k] = trim(v[k]); return o }
const hooks = read('webhooks-examples', 'api.github.com', 'index.json').map(e => ({
  name: e.name, examples: e.examples.map(x => { const o = {}; for (const k of top) if (x[k] !== undefined) o[k] = trim(x[k]); return o }),
}))
fs.writeFileSync(path.join(to, 'webhooks.json'), JSON.stringify(hooks) + '\n')
