import { fileURLToPath } from 'node:url'
import { defineConfig, type UserConfig } from 'vite'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/**
 * `npm run build:console`: each app (`--mode`) as one script and one style sheet in `dist/`. All four are committed: a
 * replay's page has its two inlined by `replay-page.ts`, `pages.ts` serves the console's; a test builds them again and
 * compares bytes.
 */
export function configOf(mode: string): UserConfig {
  return {
    root: here('.'),
    logLevel: 'warn',
    publicDir: false,
    build: {
      outDir: here('dist'),
      emptyOutDir: false,
      target: 'es2023',
      modulePreload: false,
      lib: {
        entry: here(`app/${mode}/main.ts`),
        formats: ['iife'],
        name: mode === 'console' ? 'countersign' : mode,
        fileName: () => `${mode}.js`,
        cssFileName: mode,
      },
    },
  }
}

const config: ReturnType<typeof defineConfig> = defineConfig(({ mode }) => configOf(mode))
export default config
