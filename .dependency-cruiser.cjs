/** The table of folders in ARCHITECTURE.md, as rules. */
const only = (name, from, allowed, comment) => ({
  name,
  severity: 'error',
  comment,
  from: { path: from },
  to: { path: '^(src|protocols|kernels|models|demo|bench|test)/', pathNot: [from, ...allowed] },
});

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'core-is-pure',
      severity: 'error',
      comment: 'the core has no packages and no I/O',
      from: { path: '^src/core/' },
      to: { pathNot: '^src/core/' },
    },
    only('config', '^src/config/', ['^src/core/'], 'configuration knows the core only'),
    only('observability', '^src/observability/', ['^src/core/'], 'observability knows the core only'),
    only('sim', '^src/sim/', ['^src/core/'], 'the simulator knows the core only'),
    only('models', '^models/', ['^src/core/'], 'models know the core only'),
    only('kernels', '^kernels/', ['^src/core/', '^models/'], 'kernels know models and the core'),
    only(
      'api',
      '^src/api/',
      ['^src/core/', '^src/observability/', '^models/', '^protocols/inference/'],
      'the API is handed what it serves',
    ),
    only(
      'mesh',
      '^src/mesh/',
      ['^src/core/', '^src/observability/', '^models/', '^protocols/', '^kernels/kernel\\.ts$'],
      'actors know no concrete kernel and no configuration',
    ),
    only('verify', '^src/verify/', ['^src/core/', '^models/', '^kernels/kernel\\.ts$'], 'verifying is handed a kernel'),
    {
      name: 'protocols-stand-alone',
      severity: 'error',
      comment: 'a protocol knows the core, framing and itself',
      from: { path: '^protocols/([^/]+)/' },
      to: {
        path: '^(src|protocols|kernels|models)/',
        pathNot: ['^src/core/', '^protocols/[^/]+\\.ts$', '^protocols/$1/'],
      },
    },
    only('protocol-framing', '^protocols/[^/]+\\.ts$', ['^src/core/'], 'framing knows the core only'),
    {
      name: 'not-to-tests',
      severity: 'error',
      from: { pathNot: '^(test|demo|bench)/' },
      to: { path: '^(test|demo|bench)/' },
    },
    {
      name: 'composition-root',
      severity: 'error',
      comment: 'nothing below imports the composition root',
      from: { path: '^(src/(core|mesh|api|config|observability|sim|verify)|protocols|kernels|models)/' },
      to: { path: '^src/(node|index)\\.ts$|^src/cli/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
