// Checks every dashboards/*.json against the types that Grafana publishes: the dashboard and its panels, the options and
// field settings of each panel's type, and Prometheus queries.
//
// Each JSON is written into a TypeScript file as a literal of the published type, and the compiler judges: it knows
// unknown keys, wrong values and missing ones, which an import of the JSON (all strings widened) would not.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const here = path.dirname(fileURLToPath(import.meta.url));
const boards = process.argv[2] ?? path.join(here, '../../dashboards');

/** The package's folder of each panel type that we use. */
const PANELS = {
  stat: 'stat',
  'state-timeline': 'statetimeline',
  table: 'table',
  timeseries: 'timeseries',
};

/** In JSON an enum's member is its value. Everything else stays as it is. */
const PRELUDE = `
import type { Dashboard, Panel, RowPanel, VariableModel } from '@grafana/schema';
import type { Dataquery } from '@grafana/grafana-foundation-sdk/prometheus';
${Object.values(PANELS)
  .map((p) => `import type * as ${p} from './node_modules/@grafana/schema/dist/types/raw/composable/${p}/panelcfg/x/types.gen';`)
  .join('\n')}
type Plain<T> = unknown extends T ? T
  : T extends string ? \`\${T}\`
  : T extends (infer E)[] ? Plain<E>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> }
  : T;
// The SDK's name of a query's kind is its own; a query in a dashboard also says its data source and format.
type Query = Omit<Dataquery, '_implementsDataqueryVariant' | '_dataqueryVariant'>;
type Data = { type: 'prometheus'; uid: '\${datasource}' };
`;

const literal = (value) => JSON.stringify(value, null, 1);

/** The declarations that must compile, each with the words for it in a message. */
function* declarations(board) {
  const { panels, templating, ...rest } = board;
  yield ['dashboard', `Plain<Omit<Dashboard, 'panels' | 'templating'>>`, rest];
  for (const variable of templating.list) yield [`variable ${variable.name}`, 'Plain<VariableModel>', variable];
  for (const panel of panels) {
    const words = `panel ${panel.id} "${panel.title}"`;
    if (panel.type === 'row') {
      yield [words, 'Plain<RowPanel>', panel];
      continue;
    }
    const kind = PANELS[panel.type];
    if (!kind) throw new Error(`${words}: add the panel type ${panel.type} to PANELS`);
    const { options, targets, ...outer } = panel;
    const custom = outer.fieldConfig.defaults.custom;
    yield [words, `Plain<Omit<Panel, 'options' | 'targets'>>`, outer];
    yield [`${words} options`, `Plain<${kind}.Options>`, options];
    if (custom) yield [`${words} custom`, `Plain<Partial<${kind}.FieldConfig>>`, custom];
    for (const query of targets) yield [`${words} query ${query.refId}`, 'Plain<Query> & { datasource: Data }', query];
  }
}

function check(file) {
  const board = JSON.parse(fs.readFileSync(file, 'utf8'));
  const begins = [];
  let text = PRELUDE;
  let count = 0;
  for (const [words, type, value] of declarations(board)) {
    begins.push([text.length, words]);
    text += `export const d${count++}: ${type} = ${literal(value)};\n`;
  }
  const name = path.join(here, `${path.basename(file, '.json')}.generated.ts`);
  const options = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const [read, exists] = [host.getSourceFile, host.fileExists];
  host.fileExists = (f) => f === name || exists(f);
  host.getSourceFile = (f, ...more) => (f === name ? ts.createSourceFile(f, text, ...more) : read(f, ...more));
  const found = ts.getPreEmitDiagnostics(ts.createProgram([name], options, host));
  for (const d of found) {
    const where = begins.findLast(([at]) => at <= (d.start ?? 0))?.[1] ?? 'the published types';
    console.error(`${path.basename(file)}: ${where}: ${ts.flattenDiagnosticMessageText(d.messageText, os.EOL)}`);
  }
  return { count, errors: found.length };
}

const files = fs.readdirSync(boards).filter((f) => f.endsWith('.json')).sort();
let [parts, errors] = [0, files.length === 0 ? 1 : 0];
for (const file of files) {
  const result = check(path.join(boards, file));
  parts += result.count;
  errors += result.errors;
}
console.log(`${files.length} dashboards, ${parts} parts checked against @grafana/schema, ${errors} errors`);
process.exitCode = errors === 0 ? 0 : 1;
