// node ask.js URL: the request code of Grafana's Prometheus data source, as published in @grafana/prometheus, asks URL.
//
// Real: the data source, its language provider (Explore, query builder) and its variables: what they ask, in which form,
// and what they make of the answers. Stood in for: the parts of Grafana around it (`@grafana/data`, `@grafana/runtime`,
// the user interface), which need a browser; and Grafana's server, which sends on what it gets at a data source's
// `/resources`. Panels' queries are made by that server, in Go: tests/it/api_v1.rs has their form.
'use strict';

const assert = require('node:assert');
const Module = require('node:module');
const url = process.argv[2];

/** Anything that is only touched while modules load. */
const nothing = new Proxy(function () {}, { get: (_, name) => (name === Symbol.toPrimitive ? () => '' : nothing), apply: () => nothing });
const withNothing = (known) => new Proxy(known, { get: (of, name) => (name in of ? of[name] : name === '__esModule' ? true : nothing) });

const { Observable } = require('rxjs');
const moment = require('moment');
const asked = [];
const fetchIt = async (options) => {
  // As Grafana's server does it: what comes after `resources` goes to the data source as it is.
  const path = options.url.replace(/^\/api\/datasources\/uid\/[^/]+\/resources/, '');
  asked.push(`${options.method} ${path.split('?')[0]}`);
  const body = options.method === 'POST' ? new URLSearchParams(options.data) : undefined;
  const answer = await fetch(url + path, { method: options.method, headers: options.headers, body });
  const data = await answer.json();
  if (!answer.ok) {
    throw Object.assign(new Error(JSON.stringify(data)), { status: answer.status, data });
  }
  return { status: answer.status, data };
};
const stands = {
  '@grafana/data': withNothing({
    dateTime: moment,
    dateMath: { parse: (text, up) => (moment.isMoment(text) ? text : moment()), isMathString: () => false },
    rangeUtil: { intervalToSeconds: () => 15 },
    incrRoundDn: (n, step) => Math.floor(n / step) * step,
  }),
  '@grafana/runtime': withNothing({
    DataSourceWithBackend: class { constructor(settings) { this.uid = settings.uid; } },
    getTemplateSrv: () => ({ replace: (text) => text, containsTemplate: () => false }),
    getBackendSrv: () => ({
      fetch: (options) => new Observable((to) => {
        fetchIt(options).then((got) => { to.next(got); to.complete(); }, (error) => to.error(error));
      }),
    }),
    isFetchError: (error) => 'status' in error,
    config: { featureToggles: {} },
  }),
};
const load = Module._load;
Module._load = function (name, ...rest) {
  if (stands[name]) return stands[name];
  if (/^(@grafana\/(?!prometheus)|react|@emotion|monaco|@leeoniya)/.test(name)) return nothing;
  return load.call(this, name, ...rest);
};
const part = (name) => require(`${__dirname}/node_modules/@grafana/prometheus/dist/cjs/${name}.cjs`);

async function main() {
  const { PrometheusDatasource } = part('datasource');
  const { PrometheusMetricFindQuery } = part('metric_find_query');
  const range = { from: moment().subtract(5, 'minutes'), to: moment(), raw: { from: 'now-5m', to: 'now' } };
  const names = (list) => list.map((item) => item.text).sort();
  for (const httpMethod of ['POST', 'GET']) {
    for (const seriesEndpoint of [false, true]) {
      asked.length = 0;
      const settings = { uid: 'dogwatch', url: '/proxy', access: 'proxy', jsonData: { httpMethod, seriesEndpoint } };
      const source = new PrometheusDatasource(settings);
      // What it does when a page opens: are there rules, exemplars, metrics and their help?
      await source.loadRules();
      assert.equal(await source.areExemplarsAvailable(), true);
      const explore = source.languageProvider;
      await explore.start(range);
      assert.ok(explore.retrieveMetrics().includes('up'), String(explore.retrieveMetrics()));
      assert.deepEqual(explore.retrieveHistogramMetrics(), ['latency_seconds_bucket']);
      assert.ok(explore.retrieveMetricsMetadata().up.help);
      // The metric browser and label filters.
      const keys = await explore.queryLabelKeys(range, '{__name__="latency_seconds_bucket"}');
      assert.deepEqual(keys.filter((key) => key !== '__name__'), ['cluster', 'instance', 'job', 'le']);
      const both = ['10.0.0.1:2379', '10.0.0.2:2379'];
      assert.deepEqual(await explore.queryLabelValues(range, 'instance', 'up{cluster="prod"}'), both);
      assert.deepEqual(await explore.queryLabelValues(range, 'no.such.label'), []);
      // Variables.
      const variable = (text) => new PrometheusMetricFindQuery(source, text).process(range);
      assert.deepEqual(names(await variable('label_values(up, instance)')), both);
      assert.deepEqual(names(await variable('label_values(job)')), ['etcd']);
      assert.deepEqual(names(await variable('metrics(requests.*)')), ['requests_total']);
      assert.match(names(await variable('query_result(sum(up))'))[0], /^\{\} 2 /);
      assert.equal((await variable('up{instance="10.0.0.1:2379"}')).length, 1);
      const used = [...new Set(asked)].sort();
      console.log(`${httpMethod}, ${seriesEndpoint ? 'series' : 'labels'}: ${used.join(', ')}`);
    }
  }
  console.log('all found');
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
