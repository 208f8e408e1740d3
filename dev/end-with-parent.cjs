// Preloaded into Azurite: exits when standard input closes, that is when the parent process exits for any reason,
// even SIGKILL. If data is kept in a folder, SIGTERM lets Azurite write what it still has in memory.
const end = () => {
  if (process.argv.includes("--inMemoryPersistence")) process.exit(0);
  process.kill(process.pid, "SIGTERM");
  setTimeout(() => process.exit(0), 5000);
};
process.stdin.on("end", end).on("error", end).resume();
process.stdin.unref(); // must not keep the process alive
