#!/usr/bin/env node
/** Composition root of `mergelogs`. */
import { MERGELOGS, mergelogs } from '../cli/mergelogs.ts';
import { runTool } from '../cli/tool.ts';

await runTool(MERGELOGS, process.argv.slice(2), mergelogs);
