//! The walls, tried from inside.

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    time::Duration,
};

use drydock_appliance::containers::{EngineError, Mount, SeenPhase};

use crate::world::{World, docker, open_to_all};

#[tokio::test]
async fn it_is_nobody_with_no_capabilities_and_a_filter() {
    let world = World::new().await;
    let said = world.output("who", "id -u; id -g; cat /proc/self/status").await;
    assert!(said.starts_with("10001\n10001\n"), "{said}");
    let field =
        |name: &str| said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t")).unwrap_or("absent");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(u64::from_str_radix(field(set), 16), Ok(0), "{set} in {said}");
    }
    assert_eq!((field("NoNewPrivs"), field("Seccomp")), ("1", "2"), "{said}");
}

#[tokio::test]
async fn only_the_scratch_is_writable_and_it_is_bounded() {
    let world = World::new().await;
    let said = world
        .output(
            "root",
            "for place in / /bin /etc /root /usr /var; do touch $place/x 2>/dev/null && echo \"wrote in $place\"; done
             echo hello > note && cat note; echo HOME=$HOME; pwd
             echo t > /tmp/t && cat /tmp/t
             printf '#!/bin/sh\\necho ran\\n' > run.sh; /bin/busybox chmod +x run.sh; ./run.sh
             dd if=/dev/zero of=big bs=1M count=20 2>&1 | grep -o 'No space left on device'",
        )
        .await;
    assert_eq!(said, "hello\nHOME=/workspace\n/workspace\nt\nran\nNo space left on device\n");
}

#[tokio::test]
async fn a_volume_of_the_image_is_scratch_too() {
    let world =
        World::with_image_changes(&["VOLUME /data", "ENV NVIDIA_VISIBLE_DEVICES=all LD_PRELOAD=/evil.so"]).await;
    let said = world
        .output("volume", "grep ' /data ' /proc/mounts; echo $NVIDIA_VISIBLE_DEVICES; echo \"[$LD_PRELOAD]\"")
        .await;
    assert!(said.starts_with("tmpfs /data tmpfs rw,"), "{said}");
    assert!(said.ends_with("void\n[]\n"), "{said}");
}

#[tokio::test]
async fn a_mount_is_read_only_and_from_below_the_root_alone() {
    let world = World::new().await;
    let code = world.mounts.path().join("code");
    std::fs::create_dir(&code).unwrap();
    open_to_all(&code);
    std::fs::write(code.join("train.sh"), "echo trained").unwrap();
    let mut spec = world.script("mounted", "sh code/train.sh; touch code/x 2>&1; cat /data/iris/train.sh");
    // below the scratch, and at a place that the image does not have
    spec.mounts =
        ["/workspace/code", "/data/iris"].map(|target| Mount { source: code.clone(), target: target.into() }).to_vec();
    let (_, chunks) = world.run(&spec).await;
    let said: Vec<_> = chunks.iter().map(|chunk| chunk.text.as_str()).collect();
    assert_eq!(said, ["trained", "touch: code/x: Read-only file system", "echo trained"]);

    let mut outside = world.script("outside", "true");
    outside.mounts = vec![Mount { source: "/var/run/docker.sock".into(), target: "/docker.sock".into() }];
    assert!(matches!(world.engine.create(&outside).await, Err(EngineError::Refused(_))));
}

#[tokio::test]
async fn the_gateway_can_be_reached_and_nothing_else() {
    let (world, elsewhere) = (World::new().await, World::new().await);
    let listener = TcpListener::bind((world.network.gateway, 0)).expect("the box has the gateway's address");
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        listener.incoming().flatten().for_each(|mut peer| drop(peer.write_all(b"from the box\n")))
    });

    // one on the same network, and one for which the box would have to forward
    let mut script = format!("nc -w 3 {} {port} </dev/null;", world.network.gateway);
    for (place, name) in [(&world, "neighbour"), (&elsewhere, "outside")] {
        let id = place.start(&place.script(name, "while true; do echo open | nc -l -p 9000; done")).await;
        let address = place.until(&id, |seen| seen.address.is_some()).await.address.unwrap();
        until_open((address, 9000).into());
        script += &format!("nc -w 3 {address} 9000 </dev/null 2>/dev/null || echo {name} closed;");
    }
    assert_eq!(world.output("caller", &script).await, "from the box\nneighbour closed\noutside closed\n");
}

fn until_open(address: std::net::SocketAddr) {
    for _ in 0..100 {
        if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{address} did not open, so that this test would show nothing");
}

#[tokio::test]
async fn a_fork_bomb_ends_at_its_limit() {
    let world = World::new().await;
    let mut spec = world.script("bomb", "i=0; while [ $i -lt 40 ]; do sleep 20 & i=$((i+1)); done; echo all");
    spec.pids = 16;
    let (_, chunks) = world.run(&spec).await;
    let said: String = chunks.into_iter().map(|chunk| chunk.text).collect();
    assert!(said.contains("can't fork") && !said.contains("all"), "{said}");
}

#[tokio::test]
async fn a_memory_hog_is_killed_and_named() {
    let world = World::new().await;
    let mut spec = world.script("hog", "");
    spec.command = ["/bin/tail", "/dev/zero"].map(str::to_owned).to_vec();
    let (seen, _) = world.run(&spec).await;
    assert_eq!((seen.phase, seen.exit_code), (SeenPhase::Exited, Some(137)));
    assert!(world.until(&seen.id, |seen| seen.oom_killed).await.oom_killed);
}

#[tokio::test]
async fn docker_holds_what_the_spec_says() {
    let world = World::new().await;
    let id = world.engine.create(&world.script("held", "true")).await.unwrap();
    let format = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} \
                  {{.HostConfig.Privileged}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.LogConfig.Type}} {{json .HostConfig.LogConfig.Config}} \
                  {{json .HostConfig.Dns}}";
    let shown = docker(&["inspect", "-f", format, &id]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert_eq!(
        shown.trim(),
        "67108864 67108864 500000000 32 false no json-file {\"max-file\":\"3\",\"max-size\":\"32m\"} [\"127.0.0.1\"]"
    );
}
