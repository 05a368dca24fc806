import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.retry.RetryForever;
import org.apache.curator.x.discovery.ServiceCache;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.zookeeper.CreateMode;

/**
 * Curator's recipes, unmodified, at our ZooKeeper ports. Run by curator.foreign.ts with the servers' addresses
 * as its argument. Each check prints a JSON line {"name", "error"}; {"kill": "HOST:PORT"} asks for that server's
 * end, which a line on standard input confirms. Every check runs before the kill, some across it, all after it.
 */
public final class CuratorRecipes {
    private static final int WAIT_MS = 20_000;

    private interface Check {
        void run() throws Exception;
    }

    private final String hosts;
    private final BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    private final List<CuratorFramework> clients = new ArrayList<>();

    private CuratorRecipes(String hosts) {
        this.hosts = hosts;
    }

    public static void main(String[] arguments) throws Exception {
        new CuratorRecipes(arguments[0]).run();
        System.exit(0);
    }

    private void run() throws Exception {
        CuratorFramework a = client();
        CuratorFramework b = client();
        everyRecipe("before", a, b);
        Held held = new Held(a, b);
        check("recipes are set up", held::begin);
        kill(serverOf(a));
        check("recipes live through a server's end", held::after);
        everyRecipe("after", a, b);
        for (CuratorFramework client : clients) client.close();
    }

    private void everyRecipe(String when, CuratorFramework a, CuratorFramework b) {
        check(when + ": InterProcessMutex excludes", () -> mutex("/mutex-" + when, a, b));
        check(when + ": LeaderLatch has one leader, and the next", () -> latch("/latch-" + when, a));
        check(when + ": CuratorCache follows the tree", () -> cache("/cache-" + when, a, b));
        check(when + ": PersistentNode comes back", () -> persistentNode("/persistent-" + when, a, b));
        check(when + ": ServiceDiscovery finds instances", () -> discovery("/services-" + when, a, b));
    }

    // ---- recipes

    private static void mutex(String path, CuratorFramework a, CuratorFramework b) throws Exception {
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger worst = new AtomicInteger();
        int[] count = {0};
        List<Thread> threads = new ArrayList<>();
        AtomicReference<Exception> problem = new AtomicReference<>();
        for (int i = 0; i < 4; i++) {
            CuratorFramework client = i % 2 == 0 ? a : b;
            Thread thread = new Thread(() -> {
                InterProcessMutex mutex = new InterProcessMutex(client, path);
                try {
                    for (int round = 0; round < 10; round++) {
                        if (!mutex.acquire(WAIT_MS, TimeUnit.MILLISECONDS)) throw new Exception("not acquired in time");
                        worst.accumulateAndGet(inside.incrementAndGet(), Math::max);
                        count[0]++;
                        inside.decrementAndGet();
                        mutex.release();
                    }
                } catch (Exception caught) {
                    problem.set(caught);
                }
            });
            threads.add(thread);
            thread.start();
        }
        for (Thread thread : threads) thread.join();
        if (problem.get() != null) throw problem.get();
        equal(worst.get(), 1, "holders at a time");
        equal(count[0], 40, "acquisitions");
    }

    private void latch(String path, CuratorFramework a) throws Exception {
        CuratorFramework own = client();
        LeaderLatch first = new LeaderLatch(own, path, "first");
        first.start();
        eventually("the first leads", first::hasLeadership);
        LeaderLatch second = new LeaderLatch(a, path, "second");
        second.start();
        eventually("both take part", () -> participants(second) == 2);
        equal(second.hasLeadership(), false, "two leaders");
        equal(second.getLeader().getId(), "first", "the leader");
        own.close();
        eventually("the second leads", second::hasLeadership);
        second.close();
    }

    private static int participants(LeaderLatch latch) {
        try {
            return latch.getParticipants().size();
        } catch (Exception problem) {
            return -1;
        }
    }

    private static void cache(String path, CuratorFramework a, CuratorFramework b) throws Exception {
        a.create().forPath(path, bytes("root"));
        try (CuratorCache cache = CuratorCache.build(a, path)) {
            Set<String> events = new ConcurrentSkipListSet<>();
            cache.listenable().addListener(CuratorCacheListener.builder()
                    .forAll((type, before, after) -> events.add(type + " " + (after == null ? before : after).getPath()))
                    .build());
            cache.start();
            eventually("the root is there", () -> cache.get(path).isPresent());
            b.create().creatingParentsIfNeeded().forPath(path + "/x/y", bytes("1"));
            b.setData().forPath(path + "/x/y", bytes("2"));
            b.create().withMode(CreateMode.CONTAINER).forPath(path + "/c");
            b.create().withTtl(3_600_000).withMode(CreateMode.PERSISTENT_WITH_TTL).forPath(path + "/ttl", bytes("t"));
            b.create().forPath(path + "/gone");
            eventually("all were seen", () -> cache.size() == 6 && text(cache, path + "/x/y").equals("2"));
            b.delete().forPath(path + "/gone");
            eventually("the deletion was seen", () -> !cache.get(path + "/gone").isPresent());
            eventually("its event too", () -> events.contains("NODE_DELETED " + path + "/gone"));
            equal(events.contains("NODE_CREATED " + path + "/ttl"), true, "a TTL node's event");
        }
    }

    private static String text(CuratorCache cache, String path) {
        return cache.get(path).map(data -> new String(data.getData(), StandardCharsets.UTF_8)).orElse("");
    }

    private static void persistentNode(String path, CuratorFramework a, CuratorFramework b) throws Exception {
        try (PersistentNode node = new PersistentNode(a, CreateMode.EPHEMERAL, false, path, bytes("here"))) {
            node.start();
            equal(node.waitForInitialCreate(WAIT_MS, TimeUnit.MILLISECONDS), true, "created");
            equal(new String(b.getData().forPath(path), StandardCharsets.UTF_8), "here", "data");
            b.delete().forPath(path);
            eventually("it is back", () -> exists(b, path));
            node.setData(bytes("there"));
            eventually("it changes", () -> data(b, path).equals("there"));
        }
        eventually("it goes", () -> !exists(b, path));
    }

    private static void discovery(String path, CuratorFramework a, CuratorFramework b) throws Exception {
        ServiceDiscovery<Void> ours = ServiceDiscoveryBuilder.builder(Void.class).client(a).basePath(path).build();
        ServiceDiscovery<Void> theirs = ServiceDiscoveryBuilder.builder(Void.class).client(b).basePath(path).build();
        ours.start();
        theirs.start();
        ServiceCache<Void> cache = theirs.serviceCacheBuilder().name("web").build();
        cache.start();
        ServiceInstance<Void> one = ServiceInstance.<Void>builder().name("web").address("127.0.0.1").port(1).build();
        ServiceInstance<Void> two = ServiceInstance.<Void>builder().name("web").address("127.0.0.1").port(2).build();
        ours.registerService(one);
        theirs.registerService(two);
        eventually("both are found", () -> instances(ours) == 2 && cache.getInstances().size() == 2);
        ours.unregisterService(one);
        eventually("one is left", () -> instances(theirs) == 1 && cache.getInstances().size() == 1);
        equal(theirs.queryForInstance("web", two.getId()).getPort(), 2, "its port");
        cache.close();
        ours.close();
        theirs.close();
    }

    private static int instances(ServiceDiscovery<Void> discovery) {
        try {
            Collection<?> found = discovery.queryForInstances("web");
            return found.size();
        } catch (Exception problem) {
            return -1;
        }
    }

    /** What is held while a server dies. */
    private static final class Held {
        private final CuratorFramework a;
        private final CuratorFramework b;
        private final InterProcessMutex mutex;
        private final LeaderLatch latch;
        private final CuratorCache cache;
        private final PersistentNode node;
        private final ServiceDiscovery<Void> discovery;

        Held(CuratorFramework a, CuratorFramework b) throws Exception {
            this.a = a;
            this.b = b;
            mutex = new InterProcessMutex(a, "/held/mutex");
            latch = new LeaderLatch(a, "/held/latch", "a");
            cache = CuratorCache.build(a, "/held/cache");
            node = new PersistentNode(a, CreateMode.EPHEMERAL, false, "/held/node", bytes("here"));
            ServiceInstance<Void> instance = ServiceInstance.<Void>builder().name("web").address("127.0.0.1").port(1).build();
            discovery = ServiceDiscoveryBuilder.builder(Void.class).client(a).basePath("/held/services").thisInstance(instance).build();
        }

        void begin() throws Exception {
            a.create().creatingParentsIfNeeded().forPath("/held/cache");
            cache.start();
            node.start();
            latch.start();
            discovery.start();
            equal(mutex.acquire(WAIT_MS, TimeUnit.MILLISECONDS), true, "the mutex is ours");
            eventually("the latch leads", latch::hasLeadership);
            equal(node.waitForInitialCreate(WAIT_MS, TimeUnit.MILLISECONDS), true, "the node is there");
            eventually("the service is there", () -> instances(discovery) == 1);
        }

        void after() throws Exception {
            // Behind the kill, by the client whose server may be the one that lives.
            b.create().forPath("/held/cache/new", bytes("new"));
            equal(new InterProcessMutex(b, "/held/mutex").acquire(300, TimeUnit.MILLISECONDS), false, "a held mutex was taken");
            eventually("the cache goes on", () -> text(cache, "/held/cache/new").equals("new"));
            eventually("the latch leads again", latch::hasLeadership);
            eventually("the node is there", () -> exists(b, "/held/node"));
            eventually("the service is there", () -> instances(discovery) == 1);
            mutex.release();
            InterProcessMutex next = new InterProcessMutex(b, "/held/mutex");
            equal(next.acquire(WAIT_MS, TimeUnit.MILLISECONDS), true, "the next one has the mutex");
            next.release();
            cache.close();
            node.close();
            latch.close();
            discovery.close();
        }
    }

    // ---- helpers

    private CuratorFramework client() {
        CuratorFramework client = CuratorFrameworkFactory.newClient(hosts, 10_000, 5_000, new RetryForever(50));
        client.start();
        clients.add(client);
        return client;
    }

    private static String serverOf(CuratorFramework client) throws Exception {
        Matcher found = Pattern.compile("remoteserver:[^ ]*?([0-9.]+:[0-9]+)").matcher(client.getZookeeperClient().getZooKeeper().toString());
        if (!found.find()) throw new Exception("not connected");
        return found.group(1);
    }

    private void kill(String address) throws Exception {
        System.out.println("{\"kill\": " + quoted(address) + "}");
        input.readLine();
    }

    private static boolean exists(CuratorFramework client, String path) {
        try {
            return client.checkExists().forPath(path) != null;
        } catch (Exception problem) {
            return false;
        }
    }

    private static String data(CuratorFramework client, String path) {
        try {
            return new String(client.getData().forPath(path), StandardCharsets.UTF_8);
        } catch (Exception problem) {
            return "";
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static void equal(Object actual, Object expected, String what) throws Exception {
        if (!actual.equals(expected)) throw new Exception(what + ": " + actual + " instead of " + expected);
    }

    /** For what no event tells. */
    private static void eventually(String what, BooleanSupplier condition) throws Exception {
        long end = System.nanoTime() + WAIT_MS * 1_000_000L;
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end) throw new Exception("in vain: " + what);
            Thread.sleep(10);
        }
    }

    private static void check(String name, Check check) {
        String error = "";
        try {
            check.run();
        } catch (Exception problem) {
            error = ", \"error\": " + quoted(problem.toString());
        }
        System.out.println("{\"name\": " + quoted(name) + error + "}");
    }

    private static String quoted(String text) {
        return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", " ") + "\"";
    }
}
